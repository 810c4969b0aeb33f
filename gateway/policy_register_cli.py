"""`gateway policy register` and `gateway policy controls`: who answers for what."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.authoring.control_pages import read_python_tests, render_page
from gateway.authoring.data_rows import read_table
from gateway.authoring.register import Entry, Register, make_register
from gateway.authoring.rule_sources import read_rules
from gateway.bundles.folder import read_bundle
from gateway.clock import Clock, SystemClock
from gateway.errors import ConfigError, InputError

WIDTH = 80
_DOES_NOT_HOLD = 1

Bundle = Annotated[Path, typer.Argument(help="The bundle's folder.")]
Opa = Annotated[Path, typer.Option(help="The OPA program.")]


def register(
    bundle: Bundle = Path("policies"),
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="Judge as of this day [default: today, UTC].")
    ] = None,
    fail_overdue: Annotated[
        bool, typer.Option("--fail-overdue", help="Exit with 1 when a review is overdue.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """List every customisation with its owner and review date, overdue ones first."""
    found = make_register(read_table(read_bundle(bundle).files), _day(as_of, SystemClock()))
    if as_json:
        typer.echo(json.dumps(found.record(str(bundle)), indent=2))
    else:
        _show(bundle, found)
    raise typer.Exit(_DOES_NOT_HOLD if fail_overdue and found.overdue else 0)


def controls(
    bundle: Bundle = Path("policies"),
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("docs/controls.md"),
    tests: Annotated[
        Path, typer.Option(help="Where Python tests are; left out when it is no folder.")
    ] = Path("tests"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 when the page is stale.")
    ] = False,
    opa: Opa = Path(".parts/bin/opa"),
) -> None:
    """Write the page of all controls: rules, rows of data and tests behind each."""
    files = read_bundle(bundle).files
    table = read_table(files)
    known = [control.id for control in table.controls]
    page = render_page(
        table, read_rules(files, opa), read_python_tests(tests, known), bundle, out.parent
    )
    if check:
        if _text(out) != page:
            typer.echo(f"{out}: stale; write it anew with `gateway policy controls`", err=True)
            raise typer.Exit(_DOES_NOT_HOLD)
        typer.echo(f"{out}: current, {len(known)} controls")
        return
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror})") from None
    typer.echo(f"{out}: {len(known)} controls")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _day(text: str | None, clock: Clock) -> date:
    if text is None:
        return datetime.fromtimestamp(clock.now_us() // 1_000_000, UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError("--as-of is a day, written 2026-11-25") from None


def _show(bundle: Path, found: Register) -> None:
    console = Console(width=WIDTH, highlight=False)
    overdue, unowned = found.overdue, found.unowned
    style = "bold red" if overdue else "bold green"
    console.print(
        Text(
            f"{len(found.entries)} customisations as of {found.as_of}: {len(overdue)} overdue, "
            f"{len(unowned)} without owner or review date",
            style,
        )
    )
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    for heading, ratio in (("ID", 5), ("OWNER", 4), ("CONTROL AND PLACE", 8)):
        table.add_column(heading, overflow="fold", ratio=ratio)
    table.add_column("REVIEW DUE", no_wrap=True, min_width=10)
    for entry in found.entries:
        table.add_row(*_cells(entry, bundle))
    console.print(table)


def _cells(entry: Entry, bundle: Path) -> list[Text]:
    details = [entry.control] if entry.list != "controls" else ["a control"]
    details += [text for text in (entry.pattern, f"{bundle}/{entry.at}") if text]
    due = entry.review_due.isoformat() if entry.review_due else "-"
    return [
        Text(entry.id),
        Text(entry.owner or "-"),
        Text("\n".join(details)),
        Text(f"{due}\nOVERDUE" if entry.is_overdue else due, "red" if entry.is_overdue else ""),
    ]
