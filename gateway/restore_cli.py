"""`gateway restore`: a backup in the database's place, without forking the log."""

import asyncio
import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from gateway.errors import ConfigError
from gateway.progress_bar import show_progress
from gateway.restore_close_cli import close, sign, succeed

if TYPE_CHECKING:  # seconds of imports that other commands do not wait for
    from gateway.restoring import Restored

LOST = 1
_DEFAULT = "put"


class _RestoreGroup(TyperGroup):
    """`gateway restore BACKUP` is `gateway restore put BACKUP`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """With the default command where none is named."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


restore_app = typer.Typer(
    cls=_RestoreGroup,
    no_args_is_help=True,
    help="Put a backup back: gateway restore BACKUP. Close a log that lost entries, and follow it.",
)
restore_app.command()(close)
restore_app.command()(sign)
restore_app.command()(succeed)


@restore_app.command(_DEFAULT)
def put(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="A backup's folder.")],
    justification: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    config: Annotated[Path, typer.Option(help="gateway.yaml")] = Path("gateway.yaml"),
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint that a collector or somebody kept; repeat it for more."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Rename the SQLite database that is there.")
    ] = False,
    approval_id: Annotated[str, typer.Option(help="The approval that allows it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Put BACKUP in the database's place and take from the archive what came after it.

    Stop the gateways first. Then archive, witnesses and checkpoints are asked how far the log was
    seen: when all is here, the log says that it was restored. When something is lost, nothing is
    written, the exit code is 1, and what to do is told.
    """
    from gateway.clock import SystemClock
    from gateway.configuration import load_configuration
    from gateway.opening import signers_of
    from gateway.residency import verify_residency
    from gateway.restoring import Reason, restore

    if not justification.strip():
        raise ConfigError("a justification is required")
    settings = load_configuration(config)
    verify_residency(settings)
    held = [signer.verifier for signer in signers_of(settings)]
    reason = Reason(getpass.getuser(), justification, approval_id)
    with show_progress("recovering", "entries") as progress:
        done = asyncio.run(
            restore(
                settings,
                config,
                held,
                backup,
                reason,
                SystemClock(),
                files=checkpoint or (),
                is_replacing=replace,
                on_entries=progress,
            )
        )
    if as_json:
        typer.echo(json.dumps(_as_value(done)))
    else:
        _print(done)
    raise typer.Exit(0 if done.entry is not None else LOST)


def _print(done: "Restored") -> None:
    console = Console(soft_wrap=True)
    table = Table(title=f"Log {done.log}", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in _rows(done):
        table.add_row(label, text)
    console.print(table, markup=False)
    for sentence in _what_to_do(done):
        console.print(sentence, markup=False, highlight=False)


def _rows(done: "Restored") -> Iterator[tuple[str, str]]:
    manifest, recovered, outlook = done.manifest, done.recovered, done.outlook
    yield "backup", f"of {manifest.time}, {manifest.size:,} signed entries"
    if recovered.count:
        yield (
            "recovered",
            f"entries {recovered.first} to {recovered.last}, from the archive",
        )
    if recovered.payloads_lost:
        yield "payloads", f"of {recovered.payloads_lost} classes are lost: no archive has them"
    yield "here", f"{outlook.size:,} entries"
    for one in sorted(outlook.sightings, key=lambda one: -one.size):
        yield "seen", f"{one.size:,} by {one.by}"
    for sentence in done.told.silent:
        yield "not asked", sentence
    if outlook.lost is not None:
        yield "LOST", "{}..{}".format(*outlook.lost)
    for sentence in done.missing:
        yield "missing", sentence
    if done.entry is not None:
        yield "recorded", f"entry {done.entry} (log.restored), signed when the gateway runs"


def _what_to_do(done: "Restored") -> Iterator[str]:
    lost = done.outlook.lost
    if done.missing:
        yield (
            "The bundle store is not whole: a gateway that starts so keeps everything. Put the "
            "archives back, from a newer backup or another gateway."
        )
    if lost is not None:
        yield (
            "Entries are LOST, and nothing was written. Look for a newer backup, or an archive "
            "that has them. If there is none, close the log: gateway restore close --lost "
            f"{lost[0]}-{lost[1]} (docs/operations.md, Backup and disaster)."
        )
    elif not done.outlook.sightings:
        yield (
            "Nobody outside said how long the log was: give --checkpoint FILE with what a "
            "collector kept. The gateway listens to collectors before it signs."
        )


def _as_value(done: "Restored") -> dict[str, Any]:
    lost = done.outlook.lost
    return {
        "log": done.log,
        "backup": {"time": done.manifest.time, "size": done.manifest.size},
        "recovered": {"first": done.recovered.first, "last": done.recovered.last},
        "payloads_lost": done.recovered.payloads_lost,
        "here": done.outlook.size,
        "seen": [{"size": one.size, "by": one.by} for one in done.outlook.sightings],
        "not_asked": done.told.silent,
        "lost": None if lost is None else {"first": lost[0], "last": lost[1]},
        "missing": list(done.missing),
        "entry": done.entry,
    }
