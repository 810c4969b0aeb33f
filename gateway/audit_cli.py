"""`gateway audit`: what an auditor does with the log's database alone."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import canonical
from gateway.clock import format_time
from gateway.errors import VerificationError
from gateway.transparency.entry import Entry, parse_entry
from gateway.transparency.errors import EntryError
from gateway.transparency.report import printable
from gateway.transparency.sqlite_source import SqliteSource

audit_app = typer.Typer(
    help="Verify and read the audit log, offline, from its database alone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_COULD_NOT_CHECK = 2
_WIDTH = 80

Database = Annotated[Path, typer.Argument(metavar="DATABASE", help="The log's SQLite database.")]
Log = Annotated[
    str | None, typer.Option("--log", metavar="ORIGIN", help="Which log, when there are several.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]


@audit_app.command()
def inspect(
    database: Database,
    type_: Annotated[
        str | None, typer.Option("--type", metavar="T", help="Only entries of this type.")
    ] = None,
    first: Annotated[int, typer.Option("--from", metavar="N", min=0, help="From this entry.")] = 0,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many.")] = 50,
    log: Log = None,
    as_json: AsJson = False,
) -> None:
    """Show entries as they stand, without verifying them."""
    try:
        with SqliteSource(database, log) as source:
            entries = list(islice(_read(source, first, type_), limit))
    except VerificationError as error:
        typer.echo(f"error: {printable(str(error))}", err=True)
        raise typer.Exit(_COULD_NOT_CHECK) from None
    if as_json:
        typer.echo(json.dumps([_entry_value(seq, entry) for seq, entry in entries]))
    else:
        Console(width=_WIDTH).print(_entry_table(entries))


def _read(
    source: SqliteSource, first: int, type_: str | None
) -> Iterator[tuple[object, Entry | EntryError]]:
    for batch in source.entries(first):
        for seq, data, _ in batch:
            entry: Entry | EntryError
            try:
                entry = parse_entry(data if isinstance(data, bytes) else b"")
            except EntryError as error:
                entry = error
            if type_ is None or (isinstance(entry, Entry) and entry.type == type_):
                yield seq, entry


def _entry_value(seq: object, entry: Entry | EntryError) -> dict[str, canonical.Value]:
    place = seq if isinstance(seq, int) else None
    if isinstance(entry, EntryError):
        return {"seq": place, "error": str(entry)}
    return {
        "seq": place,
        "time": format_time(entry.time_us),
        "type": entry.type,
        "actor": entry.actor,
        "body": entry.body,
    }


def _entry_table(entries: list[tuple[object, Entry | EntryError]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), width=_WIDTH)
    for heading, width in (("SEQ", 8), ("TIME (UTC)", 19), ("TYPE", 16), ("ACTOR", 10)):
        table.add_column(
            heading, min_width=width, max_width=width, no_wrap=True, overflow="ellipsis"
        )
    table.add_column("BODY", no_wrap=True, overflow="ellipsis", ratio=1)
    for seq, entry in entries:
        cells = ["", "unreadable", "", str(entry)]
        if isinstance(entry, Entry):
            when = format_time(entry.time_us)[:19].replace("T", " ")
            body = canonical.encode(entry.body).decode()
            cells = [when, entry.type, entry.actor.rsplit("/", 1)[-1], body]
        table.add_row(*(Text(printable(cell)) for cell in (str(seq), *cells)))
    return table
