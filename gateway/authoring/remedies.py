"""What would have to change for a proposal to be permitted, and what would protect a permitted one.

Sentences about scores and windows are not guessed: the same policies and floor are asked again with
the score or the windows changed, and the sentence says what they answered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from gateway.authoring.data_rows import DataRow, Table
from gateway.authoring.inquiry import with_attribute, with_score
from gateway.clock import format_time
from gateway.decisions.floor import FloorRow
from gateway.decisions.verdict import Settled
from gateway.decisions.windows import Schedule, Window
from gateway.wire.classes import IDENTITY_SOURCE, ClassDeclaration, ProcessClass
from gateway.wire.patterns import could_match_continuation, is_anchored, parse_row
from gateway.wire.verdicts import KEEP_PERMILLE, Reason

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MAX_NEAR_ROWS = 5


@dataclass(frozen=True, slots=True)
class FloorHit:
    """A row of the floor that keeps the class; `part` is minimum, file, bundle or identity."""

    part: str
    row: str
    control: str
    pattern: str
    matched: tuple[str, ...]
    change: str


@dataclass(frozen=True, slots=True)
class Case:
    """One changed question; `value` is the edge, or the window's name."""

    kind: Literal["score", "closed", "open", "identity"]
    value: int | str
    process_class: ProcessClass
    windows: tuple[str, ...]


class Variations:
    """The changed questions about a class: each other bucket of scores, each open window closed,
    each closed one open, and an unknown identity."""

    def __init__(
        self,
        process_class: ProcessClass,
        windows: tuple[str, ...],
        declaration: ClassDeclaration,
        schedule: Schedule,
    ) -> None:
        self.process_class = process_class
        self.windows = windows
        self.edges = declaration.score_edges
        self.schedule = schedule
        self.cases = tuple(self._cases(declaration))

    def _cases(self, declaration: ClassDeclaration) -> Iterator[Case]:
        asked = self.process_class
        for edge in self.edges:
            if edge != asked.score:
                yield Case("score", edge, with_score(asked, edge), self.windows)
        for name in self.windows:
            rest = tuple(other for other in self.windows if other != name)
            yield Case("closed", name, asked, rest)
        for name in sorted({window.name for window in self.schedule.windows} - set(self.windows)):
            yield Case("open", name, asked, (*self.windows, name))
        if IDENTITY_SOURCE in declaration.attributes:
            unknown = with_attribute(asked, IDENTITY_SOURCE, "unknown")
            yield Case("identity", "unknown", unknown, self.windows)


class Remedies:
    """Sentences, from what the changed questions were answered."""

    def __init__(
        self, root: Path, variations: Variations, outcomes: Sequence[Settled], now_us: int
    ) -> None:
        self._root = root
        self._variations = variations
        self._outcomes = list(zip(variations.cases, outcomes, strict=True))
        self._now_us = now_us

    def changes(self, reason: Reason, row: DataRow | None, matched: Sequence[str]) -> list[str]:
        """What would have to change for this finding to stop protecting; at least one sentence."""
        found = [*self._by_score(reason), *self._by_window(reason)]
        if row is not None and matched:
            found += self._by_row(reason, row, matched)
        if not found:
            what = f"rule {reason.rule}" if row is None else f"row {self._at(row)}"
            found = [f"what {what} says must no longer hold: {reason.remediation}"]
        return found

    def floor_row(self, part: str, row: FloorRow, matched: Sequence[str], version: int) -> FloorHit:
        """A matching row of one part of the floor."""
        change = {
            "minimum": f"row {row.id} is compiled into the gateway: no bundle can change it, only "
            "another release of the gateway",
            "file": f"row {row.id} stands in the signed floor, version {version}: no bundle can "
            "change it; lowering that floor takes two approvers, the row named, and 24 hours",
            "bundle": f"row {row.id} of this bundle joins the floor: it keeps the process whatever "
            "the rules say, until a bundle without it is approved",
        }[part]
        pattern = f"{row.kind} {row.text}"
        return FloorHit(part, row.id, row.control, pattern, tuple(matched), change)

    def floor_identity(self, reason: Reason) -> FloorHit:
        """The floor keeps what it cannot name."""
        change = (
            "no bundle can change this; the collector would have to learn what the process is: the "
            "path of its executable, a systemd unit, a label, or a main class, jar or module"
        )
        return FloorHit("identity", reason.message, reason.control, "", (), change)

    def would_protect(self, table: Table, names: Sequence[tuple[str, str]]) -> list[str]:
        """What would protect a permitted process: score, windows, lost identity, rows."""
        sentences = [*self._protecting_score(), *self._protecting_cases()]
        known = sorted({name for _, name in names})
        sentences += self._near_rows(table, known)
        shown = ", ".join(known) or "its names"
        sentences.append(
            f"a row of never_filter that matches {shown}; `gateway policy protect` adds one at once"
        )
        return sentences

    def _by_score(self, reason: Reason) -> Iterator[str]:
        now = self._variations.process_class.score
        free = [
            case.process_class.score
            for case, settled in self._outcomes
            if case.kind == "score"
            and case.process_class.score < now
            and not _gives(settled, reason)
        ]
        if free:
            yield (
                f"a score of at most {max(free) / KEEP_PERMILLE:g} "
                f"(it counts as {now / KEEP_PERMILLE:g} now)"
            )

    def _by_window(self, reason: Reason) -> Iterator[str]:
        for case, settled in self._outcomes:
            if case.kind == "closed" and not _gives(settled, reason):
                yield f"window {case.value} must be closed: {self._end_of(str(case.value))}"

    def _by_row(self, reason: Reason, row: DataRow, matched: Sequence[str]) -> Iterator[str]:
        share = row.value.get("sample_permille")
        if reason.level == "soft" and isinstance(share, int) and share < KEEP_PERMILLE:
            yield f"a sample of at least {share / KEEP_PERMILLE:g} satisfies row {row.id}"
        names = ", ".join(dict.fromkeys(matched))
        yield (
            f"row {self._at(row)} would have to stop matching {names}; a bundle that takes this "
            f"protection away needs an approval that lists {names} by name"
        )

    def _end_of(self, name: str) -> str:
        windows = [window for window in self._variations.schedule.windows if window.name == name]
        ends = [
            (end, window)
            for window in windows
            for start, end in window.spans(self._now_us)
            if start <= self._now_us < end
        ]
        if ends:
            end, window = max(ends, key=lambda found: found[0])
            local = datetime.fromtimestamp(end // 1_000_000, UTC).astimezone(window.zone)
            return f"it ends at {local:%Y-%m-%d %H:%M} {window.zone.key} ({format_time(end)[:16]}Z)"
        hours = "; ".join(map(_hours, windows)) or "the bundle does not declare it"
        return f"it is not open now ({hours})"

    def _protecting_score(self) -> Iterator[str]:
        now = self._variations.process_class.score
        for case, settled in self._outcomes:
            if case.kind == "score" and case.process_class.score > now and _is_held(settled):
                edges = self._variations.edges
                below = edges[edges.index(case.process_class.score) - 1]
                yield f"a score above {below / KEEP_PERMILLE:g}: {_by_whom(settled)}"
                return

    def _protecting_cases(self) -> Iterator[str]:
        for case, settled in self._outcomes:
            if not _is_held(settled):
                continue
            if case.kind == "open":
                windows = self._variations.schedule.windows
                hours = "; ".join(_hours(one) for one in windows if one.name == case.value)
                yield f"while window {case.value} is open ({hours}): {_by_whom(settled)}"
            elif case.kind == "identity":
                yield f"a collector that cannot tell what the process is: {_by_whom(settled)}"

    def _near_rows(self, table: Table, names: Sequence[str]) -> list[str]:
        """Rows that a longer name would meet."""
        found = []
        for row in table.rows:
            if not row.list.endswith("never_filter") or not row.pattern:
                continue
            pattern = parse_row(row.value, str(row.place))
            near = [name for name in names if could_match_continuation(pattern, name)]
            if near and is_anchored(pattern):
                found.append(f"a longer name: row {self._at(row)}, {row.pattern}")
        return found[:_MAX_NEAR_ROWS]

    def _at(self, row: DataRow) -> str:
        return f"{row.id} ({self._root}/{row.at})"


def _gives(settled: Settled, reason: Reason) -> bool:
    """Whether the outcome still has this reason; one that could not be had counts as having it."""
    if settled.effect == "fail_safe":
        return True
    return any((had.rule, had.message) == (reason.rule, reason.message) for had in settled.reasons)


def _is_held(settled: Settled) -> bool:
    return settled.effect == "overridden"


def _by_whom(settled: Settled) -> str:
    reason = next(had for had in settled.reasons if had.level != "advisory")
    return f"{reason.control}, {reason.rule}"


def _hours(window: Window) -> str:
    days = " ".join(_DAYS[day] for day in sorted(window.days))
    return f"{days} {window.start:%H:%M} to {window.end:%H:%M} {window.zone.key}"
