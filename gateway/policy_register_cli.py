"""`gateway policy register` and `gateway policy controls`: who answers for what."""

import json
import textwrap
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
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
_ID_WIDTH = 36
_OWNER_WIDTH = 23

Bundle = Annotated[Path, typer.Argument(help="The bundle's folder.")]
Opa = Annotated[Path, typer.Option(help="The OPA program.")]


def register(
    bundle: Bundle = Path("policies"),
    as_of: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Judge as of this day; without it today, UTC."),
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
    console = Console(highlight=False)
    overdue, unowned = found.overdue, found.unowned
    style = "bold red" if overdue else "bold green"
    console.print(
        Text(
            f"{len(found.entries)} customisations as of {found.as_of}: {len(overdue)} overdue, "
            f"{len(unowned)} without owner or review date",
            style,
        ),
        soft_wrap=True,
    )
    console.print(Text(f"{'ID':{_ID_WIDTH}} {'OWNER':{_OWNER_WIDTH}} REVIEW DUE", "bold"))
    for entry in found.entries:
        due = entry.review_due.isoformat() if entry.review_due else "none"
        due += " OVERDUE" if entry.is_overdue else ""
        line = f"{entry.id:{_ID_WIDTH}} {entry.owner or 'nobody':{_OWNER_WIDTH}} {due}"
        head_style = "red" if entry.is_overdue or entry.is_unowned else ""
        for wrapped in textwrap.wrap(line, WIDTH, drop_whitespace=False):
            console.print(Text(wrapped.rstrip(), head_style), soft_wrap=True)
        for detail in _details(entry, bundle):
            console.print(Text(detail, "dim"), soft_wrap=True)


def _details(entry: Entry, bundle: Path) -> list[str]:
    what = "a control" if entry.list == "controls" else f"{entry.list}, {entry.control or '-'}"
    parts = [what, entry.pattern, f"{bundle}/{entry.at}"]
    return textwrap.wrap(
        ", ".join(part for part in parts if part),
        WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_on_hyphens=False,
        break_long_words=False,
    )
