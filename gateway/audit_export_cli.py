"""`gateway audit export`: the log in a form that others read."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.audit.export import Exported, export_tree
from gateway.audit.export import Progress as OnProgress
from gateway.chosen_source import (
    CaOption,
    CertificateOption,
    ConfigOption,
    DatabaseOption,
    KeyOption,
    LogOption,
    PrivateKeyOption,
    SourceOption,
    open_chosen_source,
)
from gateway.transparency.report import read_key
from gateway.transparency.sources import TlsFiles

_MEGABYTE = 1_000_000


class Format(StrEnum):
    """What is written."""

    TILES = "tiles"


def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made when it is not there.")],
    config: ConfigOption = None,
    database: DatabaseOption = None,
    source: SourceOption = None,
    log: LogOption = None,
    key: KeyOption = None,
    form: Annotated[
        Format, typer.Option("--format", help="tiles: the whole log as C2SP tlog-tiles.")
    ] = Format.TILES,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    private_key: PrivateKeyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Write the log as a tree of files that any tool for transparency logs reads.

    Later runs write what is new alone, and refuse a folder that holds another log or another
    history. Whoever reads the folder meanwhile sees a whole tree; it can be served as it lies.
    """
    verifier = None if key is None else read_key(key)
    opened = open_chosen_source(
        config, database, source, log, TlsFiles(ca, certificate, private_key)
    )
    with closing(opened), _progress() as progress:
        exported = export_tree(opened, folder, verifier, progress)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "format": form, **exported.as_value()}))
    else:
        typer.echo(_sentence(folder, exported))


def _sentence(folder: Path, exported: Exported) -> str:
    new = exported.size - exported.from_size
    if not new:
        return f"{folder}: {exported.size:,} entries of {exported.origin}, nothing new."
    return (
        f"{folder}: {exported.size:,} entries of {exported.origin}, {new:,} of them new: "
        f"{exported.files:,} files, {exported.bytes / _MEGABYTE:,.1f} MB."
    )


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A bar on a terminal, elsewhere nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (
        TextColumn("exporting"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} entries"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("export", total=0)
        yield lambda done, total: bar.update(task, completed=done, total=total)
