"""An impact for people: at most 80 columns, nothing that could steer a terminal."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.impact.report import Impact, Loss, Tally, Unseen
from gateway.transparency.report import printable

WIDTH = 80
MAX_ROWS = 20
_PPM = 1_000_000


def print_impact(
    console: Console,
    impact: Impact,
    unseen: Sequence[Unseen] = (),
    unreadable: Mapping[str, int] | None = None,
) -> None:
    """Tables, then what matters most at the end, where the eye is."""
    for title, rows in (
        ("framework", impact.by_framework),
        ("environment", impact.by_environment),
        ("region", impact.by_region),
        ("process", _largest(impact.by_process)),
    ):
        if rows:
            console.print(_table(title, rows))
    hidden = len(impact.by_process) - MAX_ROWS
    if hidden > 0:
        console.print(f"  and {hidden:,} processes more; --json lists them all")
    console.print(_facts(impact, unreadable or {}))
    if impact.given_up:
        console.print(
            f"{len(impact.given_up):,} recorded as more protected than what is in force now "
            "already gives:"
        )
        console.print(_loss_lines(impact.given_up))
    for row in unseen:
        last = f"last seen {row.last_day}" if row.last_day else "expected by its row"
        console.print(
            Text("ALARM ", "bold yellow")
            + Text(f"not seen any more: {printable(row.row)} ({printable(row.control)}), {last}")
        )
    console.print(_verdict(impact))


def _verdict(impact: Impact) -> RenderableType:
    if not impact.losses:
        return Text("Nothing that was seen would lose protection.", "bold green")
    head = Text(
        f"{len(impact.losses):,} would LOSE PROTECTION; an approval lists each:", "bold red"
    )
    return Group(head, _loss_lines(impact.losses))


def _loss_lines(losses: Sequence[Loss]) -> RenderableType:
    lines: list[RenderableType] = []
    for loss in losses[:MAX_ROWS]:
        lines.append(Text(f"  {printable(loss.name)}"))
        lines.append(Text(f"    {loss.before} -> {loss.after}, {loss.verdicts:,} verdicts", "dim"))
    if len(losses) > MAX_ROWS:
        lines.append(Text(f"  and {len(losses) - MAX_ROWS:,} more; --json lists them all"))
    return Group(*lines)


def _largest(rows: Mapping[str, Tally]) -> dict[str, Tally]:
    """Those that lose first, then those of most verdicts."""
    ordered = sorted(rows.items(), key=lambda item: (-item[1].less, -item[1].more, item[0]))
    return dict(ordered[:MAX_ROWS])


def _table(title: str, rows: Mapping[str, Tally]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), width=WIDTH)
    table.add_column(title, no_wrap=True, overflow="ellipsis", ratio=1)
    for heading in ("more", "less", "same"):
        table.add_column(heading, justify="right", min_width=11, no_wrap=True)
    for name, tally in rows.items():
        table.add_row(
            Text(printable(name)),
            Text(f"{tally.more:,}", "green" if tally.more else ""),
            Text(f"{tally.less:,}", "red" if tally.less else ""),
            f"{tally.same:,}",
        )
    return table


def _facts(impact: Impact, unreadable: Mapping[str, int]) -> Table:
    moves, now = impact.moves, impact.changed_now
    rows = [
        ("recorded", f"{impact.verdicts:,} verdicts, {impact.classes:,} different classes"),
        ("since then", _moves(moves)),
        ("by this change", _moves(now)),
        ("obligations", f"{impact.obligations_changed:,} verdicts get other ones"),
        (
            "kept points",
            f"{_percent(impact.kept_recorded_ppm)} recorded, {_percent(impact.kept_active_ppm)} "
            f"in force now, {_percent(impact.kept_candidate_ppm)} candidate",
        ),
        (
            "engine time",
            f"{impact.active_ns / 1000:,.1f} us a class in force now, "
            f"{impact.candidate_ns / 1000:,.1f} candidate",
        ),
    ]
    rows += [("not read", f"{count:,} verdicts: {why}") for why, count in unreadable.items()]
    rows += [
        ("failed", f"{count:,} classes kept: the candidate gives no usable answer ({code})")
        for code, count in impact.failures.items()
    ]
    if impact.unrecorded_attributes:
        names = ", ".join(impact.unrecorded_attributes)
        rows.append(("not recorded", f"the candidate also reads {names}"))
    return _labelled(rows)


def _labelled(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, width=WIDTH)
    table.add_column(style="dim", no_wrap=True, min_width=14)
    table.add_column(overflow="fold", ratio=1)
    for label, text in rows:
        table.add_row(label, Text(printable(text)))
    return table


def _moves(tally: Tally) -> str:
    return f"{tally.more:,} more protected, {tally.less:,} less, {tally.same:,} unchanged"


def _percent(ppm: int) -> str:
    return f"{100 * ppm / _PPM:.2f} %"
