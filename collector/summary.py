"""What a cycle did, for people and for machines."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from collector.agent import CycleSummary, Settled
from gateway.wire.classes import EXECUTABLE_NAME, IDENTITY
from gateway.wire.verdicts import Action, Verdict

_MAX_NAMES = 3


@dataclass(frozen=True)
class ClassRow:
    """All processes of one row of the table; the points are of one cycle."""

    names: tuple[str, ...]
    processes: int
    proposed: str
    verdict: str
    controls: tuple[str, ...]
    obligations: tuple[str, ...]
    causes: tuple[str, ...]
    kept: int
    dropped: int
    sampled_out: int


def name_of(item: Settled) -> str:
    """What people call the process: its derived identity, else its executable."""
    attributes = item.snapshot.attributes
    return str(attributes.get(IDENTITY) or attributes.get(EXECUTABLE_NAME) or "?")


def describe_action(action: Action, rate: float | None) -> str:
    """`drop`, `keep` or `sample 25 %`."""
    return f"sample {rate:.1%}".replace(".0%", "%") if action == "sample" and rate else action


def describe_verdict(verdict: Verdict | None) -> str:
    """A verdict in a few words."""
    if verdict is None:
        return "none"
    return f"{describe_action(verdict.action, verdict.sample_rate)} ({verdict.effect})"


def describe_obligation(obligation: Mapping[str, Any]) -> str:
    """An obligation in a few words, such as `retain at least 365 days`."""
    kind = str(obligation.get("type"))
    if kind == "retain_days":
        bounds = ("at_least", "at_most", "at_hand")
        told = [f"{b.replace('_', ' ')} {obligation[b]}" for b in bounds if b in obligation]
        return f"retain {', '.join(told)} days"
    listed = obligation.get("regions") or obligation.get("attributes") or ()
    if len(listed) > _MAX_NAMES:
        listed = [*listed[:_MAX_NAMES], f"{len(listed) - _MAX_NAMES} more"]
    return f"{kind.replace('_', ' ')} {', '.join(map(str, listed))}".strip()


def tabulate(settled: Sequence[Settled]) -> list[ClassRow]:
    """The rows of a cycle's table, a row a class, most withheld first."""
    # Without a class (no gateway) the wish still tells the processes apart.
    return _tabulate(
        settled,
        lambda item: (
            item.class_key or (item.wish.class_name, item.wish.action, item.wish.sample_rate)
        ),
    )


def tabulate_alike(settled: Sequence[Settled]) -> list[ClassRow]:
    """The same with classes of one wish and one answer in one row, for people to read."""
    return _tabulate(
        settled,
        lambda item: (
            describe_action(item.wish.action, item.wish.sample_rate),
            describe_verdict(item.verdict),
            _controls(item.verdict),
            _obligations(item.verdict),
        ),
    )


def _tabulate(settled: Sequence[Settled], key_of: Callable[[Settled], Hashable]) -> list[ClassRow]:
    groups: dict[Hashable, list[Settled]] = {}
    for item in settled:
        groups.setdefault(key_of(item), []).append(item)
    rows = [_tabulate_group(group) for group in groups.values()]
    return sorted(rows, key=lambda row: (-row.dropped - row.sampled_out, row.names))


def _tabulate_group(group: Sequence[Settled]) -> ClassRow:
    names = Counter(name_of(item) for item in group)
    points: Counter[str] = Counter()
    for item in group:
        points[item.decision.outcome] += item.snapshot.point_count
    verdict = group[0].verdict
    return ClassRow(
        names=tuple(name for name, _ in names.most_common()),
        processes=len(group),
        proposed=describe_action(group[0].wish.action, group[0].wish.sample_rate),
        verdict=describe_verdict(verdict),
        controls=_controls(verdict),
        obligations=_obligations(verdict),
        causes=tuple(sorted({item.decision.cause for item in group})),
        kept=points["kept"],
        dropped=points["dropped"],
        sampled_out=points["sampled_out"],
    )


def _controls(verdict: Verdict | None) -> tuple[str, ...]:
    reasons = verdict.reasons if verdict else ()
    return tuple(dict.fromkeys(reason.control for reason in reasons if reason.control))


def _obligations(verdict: Verdict | None) -> tuple[str, ...]:
    return tuple(map(describe_obligation, verdict.obligations)) if verdict else ()


def to_json(summary: CycleSummary, *, with_table: bool) -> dict[str, Any]:
    """The machine's form of a cycle."""
    document: dict[str, Any] = {
        "cycle": summary.cycle,
        "processes": len(summary.settled),
        "points": {
            outcome: summary.points(outcome) for outcome in ("kept", "dropped", "sampled_out")
        },
        "asked": summary.asked,
        "outage": summary.outage,
        "evidence_failure": summary.evidence_failure,
        "problems": list(summary.problems),
        "missed": dict(summary.missed),
        "ledger": msgspec.to_builtins(summary.counters),
        "imbalance": summary.counters.imbalance(),
    }
    if with_table:
        document["classes"] = [msgspec.to_builtins(row) for row in tabulate(summary.settled)]
    return document


def print_summary(console: Console, summary: CycleSummary, *, with_table: bool) -> None:
    """The person's form of a cycle."""
    if with_table:
        console.print(_make_table(summary))
    kept, dropped = summary.points("kept"), summary.points("dropped")
    sampled_out = summary.points("sampled_out")
    total = kept + dropped + sampled_out
    saved = (dropped + sampled_out) / total if total else 0.0
    console.print(
        f"Cycle {summary.cycle}: {len(summary.settled)} processes, {total} points: {kept} kept, "
        f"{dropped} dropped, {sampled_out} sampled out ({saved:.1%} saved); "
        f"{summary.asked} classes asked about.",
        highlight=False,
    )
    if summary.outage:
        console.print(
            f"[yellow]No usable gateway:[/] {make_plain(summary.outage)} Without a live lease "
            "every point is kept.",
            highlight=False,
        )
    if summary.evidence_failure:
        console.print(f"[red]{make_plain(summary.evidence_failure)}[/]", highlight=False)
    for problem in summary.problems:
        console.print(f"[yellow]{make_plain(problem)}[/]", highlight=False)
    console.print(_describe_ledger(summary), highlight=False)


def _describe_ledger(summary: CycleSummary) -> str:
    counters = summary.counters
    lost = sum(counters.lost.values())
    imbalance = counters.imbalance()
    balance = "balanced" if imbalance == 0 else f"[red]out of balance by {imbalance}[/]"
    return (
        f"Ledger: scraped {counters.scraped} = exported {counters.exported} + sampled out "
        f"{counters.sampled_out} + dropped {counters.dropped} + rejected {counters.rejected} + "
        f"waiting {counters.waiting} + lost {lost}: {balance}"
    )


def _make_table(summary: CycleSummary) -> Table:
    table = Table(
        title=f"Cycle {summary.cycle}", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("Processes", overflow="fold", max_width=18)
    table.add_column("Proposed", no_wrap=True)
    table.add_column("Verdict", overflow="fold", min_width=12, max_width=12)
    table.add_column("Controls and obligations", overflow="fold")
    table.add_column("Kept", justify="right", no_wrap=True)
    table.add_column("Dropped", justify="right", no_wrap=True)
    for row in tabulate_alike(summary.settled):
        table.add_row(
            make_plain(_describe_names(row)),
            row.proposed,
            row.verdict,
            make_plain("\n".join([*row.controls, *row.obligations])),
            str(row.kept),
            str(row.dropped + row.sampled_out),
            end_section=True,
        )
    return table


def _describe_names(row: ClassRow) -> str:
    shown = "\n".join(row.names[:_MAX_NAMES])
    rest = len(row.names) - _MAX_NAMES
    more = f"\nand {rest} more" if rest > 0 else ""
    return f"{shown}{more}\n({row.processes} processes)" if row.processes > 1 else shown


def make_plain(text: str) -> str:
    """Names and answers come from outside: neither markup nor control characters get through."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text).replace(
        "[", r"\["
    )
