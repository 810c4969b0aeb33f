"""`gateway audit archive`: how the archive stands, and what is missing there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from gateway.clock import SystemClock, format_time
from gateway.configuration import database_url, load_configuration
from gateway.errors import ConfigError
from gateway.transparency.report import printable

if TYPE_CHECKING:  # what other commands do not wait for
    from gateway.archive.archiver import ArchiveStatus
    from gateway.archive.checking import ArchiveCheck, OnProgress

_SQLITE = "sqlite:///"
_WIDTH = 80
_SHOWN = 20


def archive(
    config: Annotated[Path, typer.Option(help="gateway.yaml")],
    now: Annotated[bool, typer.Option("--now", help="Write what is missing there.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Read every object: what it holds, until when it is kept."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """How the log's archive stands. May be run beside a gateway.

    Exit code 0: as it should be. 1: something is missing, not kept, or not what the log signed.
    2: it could not be read or written. That the newest entries are not there yet is told and
    is no problem, with --check neither: an alarm on that watches `archived` and `sealed` of --json,
    or gateway_archive_behind_entries.
    """
    from gateway.archive.checking import check_archive
    from gateway.archiving import archive_terms, make_archiver, open_store
    from gateway.residency import verify_residency
    from gateway.storage.archive_store import SqlSealedLog
    from gateway.storage.engine import open_database

    settings, clock = load_configuration(config), SystemClock()
    if settings.archive is None:
        raise ConfigError(f"{config}: there is no archive in it; see docs/operations.md, Archive")
    verify_residency(settings)
    url = database_url(settings, config)
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).is_file():
        raise ConfigError(f"{url.removeprefix(_SQLITE)}: there is no database; name one in log")
    database = open_database(url)
    checked = None
    try:
        archiver = make_archiver(settings, settings.archive, database, clock)
        status = archiver.run_once() if now else archiver.look()
        if check:
            keys = SqlSealedLog(database, settings.log.origin).keys()
            store = open_store(settings.archive, settings.log.origin, clock)
            years = archive_terms(settings, settings.archive).entries_years
            with _progress() as on_progress:
                checked = check_archive(store, keys, years, on_progress)
    finally:
        database.dispose()
    problems = list(dict.fromkeys((*status.problems, *(checked.problems if checked else ()))))
    if as_json:
        typer.echo(json.dumps(_value(status, checked, problems)))
    else:
        _show(status, checked, problems)
    raise typer.Exit(1 if problems else 0)


def _value(
    status: ArchiveStatus, checked: ArchiveCheck | None, problems: list[str]
) -> dict[str, object]:
    until_us = checked.kept_until_us if checked else None
    return {
        "place": status.place,
        "log": status.log,
        "archived": status.archived,
        "sealed": status.sealed,
        "segments": status.segments,
        "written": list(status.written),
        "objects_checked": checked.objects if checked else None,
        "kept_until": None if until_us is None else format_time(until_us),
        "problems": problems,
    }


def _show(status: ArchiveStatus, checked: ArchiveCheck | None, problems: list[str]) -> None:
    console = Console(width=min(_WIDTH, Console().width), highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in _lines(status, checked):
        table.add_row(label, Text(printable(text)))
    for problem in problems[:_SHOWN]:
        table.add_row(Text("problem", "bold red"), Text(printable(problem)))
    if len(problems) > _SHOWN:
        table.add_row("", f"and {len(problems) - _SHOWN:,} more; --json has all")
    console.print(table)


def _lines(status: ArchiveStatus, checked: ArchiveCheck | None) -> Iterator[tuple[str, str]]:
    yield "log", status.log
    yield "archive", status.place
    behind = max(0, status.sealed - status.archived)
    yield "entries", f"{status.archived:,} of {status.sealed:,} signed, {behind:,} not there yet"
    yield "segments", f"{status.segments:,}"
    if status.written:
        yield "written", f"{len(status.written):,} objects"
    if checked is not None:
        yield "checked", f"{checked.objects:,} objects, each with its signature"
        if checked.kept_until_us is None:
            yield "kept until", "the store keeps no dates: nothing but its permissions protects it"
        else:
            yield "kept until", f"{format_time(checked.kept_until_us)[:10]} or later, all of them"


@contextmanager
def _progress() -> Iterator[OnProgress | None]:
    """A bar on a terminal, elsewhere nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("check", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
