"""`gateway audit succession`: whether a log may follow another, by the statement in its entry 0."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gateway.sources import open_source
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint_by_any
from gateway.transparency.errors import NoteError, SourceError, SuccessionError
from gateway.transparency.notes import Verifier
from gateway.transparency.report import read_key
from gateway.transparency.source import LogSource
from gateway.transparency.succession import succession_note_of, verify_succession

FAILS, COULD_NOT = 1, 2


def succession(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The log that goes on, as for audit verify.")
    ],
    key: Annotated[
        list[str],
        typer.Option("--key", metavar="VKEY", help="A key of the log before, or a file; again."),
    ],
    person: Annotated[
        list[str],
        typer.Option("--person", metavar="VKEY", help="A person's succession key; two at least."),
    ],
    log: Annotated[
        str | None,
        typer.Option("--log", metavar="ORIGIN", help="Which log, when there are several."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A checkpoint of the log before, kept outside."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Check who signed that a log was closed and this one goes on, and what it says is LOST.

    The entries of both logs are `gateway audit verify`'s. Exit code 0: it holds by the keys given.
    1: it does not. 2: it could not be checked.
    """
    try:
        old = [read_key(one) for one in key]
        people = [read_key(one) for one in person]
        kept = None if checkpoint is None else _read_checkpoint(checkpoint, old)
        with closing(open_source(source, log)) as opened:
            note = _read_statement(opened)
    except (NoteError, SourceError) as error:
        typer.echo(f"gateway: {error}", err=True)
        raise typer.Exit(COULD_NOT) from None
    try:
        statement = verify_succession(note, old, people, kept=kept)
    except SuccessionError as error:
        _tell(as_json, holds=False, sentence=f"The succession does not hold: {error}")
        raise typer.Exit(FAILS) from None
    _tell(as_json, holds=True, sentence=f"It holds: {statement.sentence}")


def _tell(as_json: bool, *, holds: bool, sentence: str) -> None:
    typer.echo(json.dumps({"holds": holds, "sentence": sentence}) if as_json else f"{sentence}.")


def _read_statement(source: LogSource) -> str:
    for batch in source.entries(0):
        for seq, data, _ in batch:
            note = succession_note_of(data) if seq == 0 and isinstance(data, bytes) else None
            if note is not None:
                return note
            raise SourceError(f"log {source.origin} succeeds none: its first entry names none")
    raise SourceError("the log holds no entries")


def _read_checkpoint(path: Path, old: list[Verifier]) -> Checkpoint:
    try:
        return open_checkpoint_by_any(path.read_text(encoding="utf-8"), old)
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read ({type(error).__name__})") from None
