"""`gateway audit inspect`: entries as they stand, chosen by what they say."""

import json
from collections.abc import Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import canonical
from gateway.audit_rows import Range
from gateway.chosen_names import naming
from gateway.chosen_rows import (
    ActorOption,
    CollectorOption,
    ControlOption,
    FirstOption,
    LastOption,
    ProcessOption,
    SinceOption,
    TypeOption,
    UntilOption,
    parse_selection,
)
from gateway.clock import format_time
from gateway.errors import InputError, VerificationError
from gateway.reading.reading import find_classes, read_entries
from gateway.reading.rows import Located, Row
from gateway.reading.selection import Selection
from gateway.sources import open_source
from gateway.transparency.entry import Entry
from gateway.transparency.report import printable
from gateway.transparency.source import LogSource

_COULD_NOT_CHECK = 2
_WIDTH = 80
_SEQ_DIGITS = 10
_JUDGED = ("decisions", "evaluations")

Found = tuple[Located, list[Row]]


def inspect(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A database file or URL, an exported folder, an address, an archive.",
        ),
    ],
    type_: TypeOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    actor: ActorOption = "",
    collector: CollectorOption = "",
    control: ControlOption = "",
    process: ProcessOption = "",
    config: Annotated[
        Path | None, typer.Option(help="gateway.yaml, whose keys name processes (--process).")
    ] = None,
    first: FirstOption = 0,
    last: LastOption = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many.")] = 50,
    log: Annotated[
        str | None,
        typer.Option("--log", metavar="ORIGIN", help="Which log, when there are several."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Show entries as they stand, without verifying them.

    What a decision cites (action, effect, controls) is looked up and shown with it. Processes are
    named with --process alone: their names lie sealed beside the log, and the log is told who
    opened them.
    """
    try:
        selection = parse_selection(type_, since, until, actor, collector, control, process)
        with closing(open_source(source, log)) as opened:
            found = _find(opened, selection, Range(first, last), limit, config)
    except (VerificationError, InputError) as error:
        typer.echo(f"gateway: {printable(str(error))}", err=True)
        raise typer.Exit(_COULD_NOT_CHECK) from None
    if as_json:
        typer.echo(json.dumps([entry_value(*one) for one in found]))
    elif found:
        Console(width=_WIDTH).print(_table(found))
    else:
        typer.echo("No entry says that.", err=True)


def _find(
    opened: LogSource, selection: Selection, within: Range, limit: int, config: Path | None
) -> list[Found]:
    names: Mapping[str, str] | None = None
    if selection.process:
        with naming(config, "audit inspect") as name_all:
            names = name_all(find_classes(opened, selection, within.first, within.last))
    name_class = None if names is None else names.__getitem__
    return list(
        islice(read_entries(opened, selection, name_class, within.first, within.last), limit)
    )


def entry_value(located: Located, rows: list[Row]) -> dict[str, Any]:
    """One entry for --json; verdicts stand in `rows`."""
    entry = located.entry
    if entry is None:
        return {"seq": located.seq if located.seq >= 0 else None, "error": located.problem}
    value: dict[str, Any] = {
        "seq": located.seq,
        "leaf_hash": located.leaf_hash,
        "time": format_time(entry.time_us),
        "type": entry.type,
        "actor": entry.actor,
        "body": entry.body,
    }
    if entry.type in _JUDGED:
        value["rows"] = [
            {
                "position": row.position,
                "class": row.class_id,
                **({"process": row.process} if row.process else {}),
                "action": row.action,
                "effect": row.effect,
                "controls": list(row.controls),
                "count": row.count,
            }
            for row in rows
        ]
    return value


def _table(found: list[Found]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), width=_WIDTH)
    for heading, width in (("SEQ", 6), ("TIME (UTC)", 19), ("TYPE", 16), ("ACTOR", 11)):
        table.add_column(
            heading,
            min_width=width,
            max_width=_SEQ_DIGITS if heading == "SEQ" else width,
            no_wrap=True,
            overflow="ellipsis",
        )
    table.add_column("WHAT", overflow="fold", ratio=1)
    for located, rows in found:
        entry = located.entry
        cells, what = ["", "unreadable", ""], _one_line(located.problem)
        if entry is not None:
            when = format_time(entry.time_us)[:19].replace("T", " ")
            cells, what = [when, entry.type, entry.actor.rsplit("/", 1)[-1]], _what(entry, rows)
        seq = str(located.seq) if located.seq >= 0 else "?"
        table.add_row(*(Text(printable(cell)) for cell in (seq, *cells)), what)
    return table


def _what(entry: Entry, rows: list[Row]) -> Text:
    """Verdicts counted, most protective first; of others what they tell, else the body."""
    if entry.type not in _JUDGED:
        why = [str(row.change.get("justification") or "") for row in rows]
        told = [text for text in (*(row.detail for row in rows), *why) if text]
        return _one_line(", ".join(told) or canonical.encode(entry.body).decode())
    counts: dict[str, int] = {}
    overruled: dict[str, int] = {}
    for row in rows:
        action = row.action or "?"
        counts[action] = counts.get(action, 0) + max(row.count, 1)
        if row.effect != "permitted":
            overruled[action] = overruled.get(action, 0) + max(row.count, 1)
    told = []
    for action in sorted(counts, key=lambda action: (action != "keep", action)):
        by_rule = f" ({overruled[action]} overridden)" if action in overruled else ""
        told.append(f"{counts[action]} {action}{by_rule}")
    names = dict.fromkeys(row.process for row in rows if row.process)
    told += [f"of {'; '.join(names)}"] if names else []
    return Text(printable(", ".join(told)))


def _one_line(text: str) -> Text:
    return Text(printable(text), no_wrap=True, overflow="ellipsis")
