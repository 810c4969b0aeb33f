"""`gateway audit timestamps`: by when did each stamped checkpoint exist?"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.errors import GatewayError
from gateway.transparency.report import printable, read_key

if TYPE_CHECKING:  # half a second of imports that other commands do not wait for
    from gateway.audit.stamped import CheckedStamp

_NOT_HELD, _COULD_NOT = 1, 2
_WIDTH = 80


def timestamps(
    source: Annotated[
        str, typer.Argument(help="The log's SQLite file, or its postgresql:// address.")
    ],
    tsa_ca: Annotated[
        list[str],
        typer.Option("--tsa-ca", metavar="FILE", help="The timestamp authority's CA (PEM)."),
    ],
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="VKEY", help="The log's verifier key, or a file with it."),
    ] = None,
    log: Annotated[
        str | None, typer.Option("--log", metavar="ORIGIN", help="Which log, of several.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Check the RFC 3161 timestamps beside a log: each stamped checkpoint, and so every entry
    under it, existed before the time shown.

    Exit code 0: all hold. 1: one does not. 2: could not check, or there is none. Verify the log
    itself with `gateway audit verify`.
    """
    from gateway.audit.stamped import check_stamps
    from gateway.audit.timestamps import read_authorities

    try:
        authorities = [found for path in tsa_ca for found in read_authorities(Path(path))]
        verifier = read_key(key) if key is not None else None
        checked = check_stamps(source, log, authorities, verifier)
    except GatewayError as error:
        typer.echo(f"gateway: {printable(str(error))}", err=True)
        raise typer.Exit(_COULD_NOT) from None
    if as_json:
        typer.echo(json.dumps([asdict(stamp) for stamp in checked]))
    else:
        _show(checked, is_key_known=verifier is not None)
    if not checked:
        raise typer.Exit(_COULD_NOT)
    if any(stamp.problem for stamp in checked):
        raise typer.Exit(_NOT_HELD)


def _show(checked: list["CheckedStamp"], *, is_key_known: bool) -> None:
    console = Console(width=_WIDTH)
    if not checked:
        console.print("This log has no timestamps.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("SIZE", "EXISTED BEFORE (UTC)", "AUTHORITY"):
        table.add_column(heading, overflow="fold")
    for stamp in checked:
        told = Text(stamp.before[:23] if stamp.before else f"NOT PROVEN: {stamp.problem}")
        if stamp.problem:
            told.stylize("bold red")
        table.add_row(str(stamp.size), told, Text(printable(stamp.authority)))
    console.print(table)
    if not is_key_known:
        console.print("Whether the log signed these checkpoints was not looked at: say --key.")
