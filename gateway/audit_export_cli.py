"""`gateway audit export`: the log in a form that others read."""

import json
from contextlib import closing, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.audit_rows import Range, export_rows
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
from gateway.errors import ConfigError
from gateway.progress_bar import show_progress
from gateway.reading.selection import Selection
from gateway.transparency.report import read_key
from gateway.transparency.source import LogSource
from gateway.transparency.sources import TlsFiles

if TYPE_CHECKING:  # half a second of imports that other commands do not wait for
    from gateway.audit.export import Exported

_MEGABYTE = 1_000_000


class Format(StrEnum):
    """What is written."""

    TILES = "tiles"
    OCSF = "ocsf"
    CSV = "csv"


def export(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A folder for tiles, else a file to write.")
    ],
    config: ConfigOption = None,
    database: DatabaseOption = None,
    source: SourceOption = None,
    log: LogOption = None,
    key: KeyOption = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format", help="tiles: the whole log as C2SP tlog-tiles; ocsf, csv: rows of it."
        ),
    ] = Format.TILES,
    type_: TypeOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    actor: ActorOption = "",
    collector: CollectorOption = "",
    control: ControlOption = "",
    process: ProcessOption = "",
    names: Annotated[
        bool, typer.Option("--names", help="Name processes; opens payloads, needs --config.")
    ] = False,
    first: FirstOption = 0,
    last: LastOption = None,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    private_key: PrivateKeyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Write the log for others: as a tree of files that any tool for transparency logs reads, or
    rows of it as OCSF events (JSON lines) or CSV, each with its place in the log.

    A tree: later runs write what is new alone, and refuse a folder that holds another log or
    another history. Whoever reads the folder meanwhile sees a whole tree; it can be served as it
    lies. Rows: what a decision cites stands in its row. With names or --process the payloads of
    processes are opened, and the log says so.
    """
    from gateway.audit.export import export_tree

    verifier = None if key is None else read_key(key)
    selection = parse_selection(type_, since, until, actor, collector, control, process)
    opened = open_chosen_source(
        config, database, source, log, TlsFiles(ca, certificate, private_key)
    )
    with closing(opened):
        if form is not Format.TILES:
            wanted = _Wanted(selection, Range(first, last), names or bool(process))
            _export_rows(opened, out, form, wanted, config, as_json)
            return
        if selection != Selection() or names or first or last is not None:
            raise ConfigError("a tree holds the whole log: filters go with --format ocsf or csv")
        with show_progress("exporting", "entries") as progress:
            exported = export_tree(opened, out, verifier, progress)
    if as_json:
        typer.echo(json.dumps({"folder": str(out), "format": form, **exported.as_value()}))
    else:
        typer.echo(_sentence(out, exported))


@dataclass(frozen=True, slots=True)
class _Wanted:
    selection: Selection
    within: Range
    has_names: bool


def _export_rows(
    source: LogSource, out: Path, form: Format, wanted: _Wanted, config: Path | None, as_json: bool
) -> None:
    names = naming(config, "audit export") if wanted.has_names else nullcontext()
    with names as name_all:
        written = export_rows(source, out, form, wanted.selection, wanted.within, name_all)
    if as_json:
        typer.echo(json.dumps({"file": str(out), "format": form, "rows": written}))
    else:
        typer.echo(f"{out}: {written:,} rows of {source.origin}.")


def _sentence(folder: Path, exported: "Exported") -> str:
    new = exported.size - exported.from_size
    if not new:
        return f"{folder}: {exported.size:,} entries of {exported.origin}, nothing new."
    return (
        f"{folder}: {exported.size:,} entries of {exported.origin}, {new:,} of them new: "
        f"{exported.files:,} files, {exported.bytes / _MEGABYTE:,.1f} MB."
    )
