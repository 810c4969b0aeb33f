"""`gateway restore close`, `sign` and `succeed`: a log that lost entries ends, another goes on."""

import asyncio
import re
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.errors import ConfigError

_RANGE = re.compile(r"(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})")
_SCHEME = "spiffe://"

Config = Annotated[Path, typer.Option(help="gateway.yaml")]
Statement = Annotated[Path, typer.Argument(metavar="STATEMENT", help="What `close` wrote.")]


def close(
    reason: Annotated[str, typer.Option(help="What happened; it stands in the new log.")],
    lost: Annotated[str, typer.Option(metavar="FIRST-LAST", help="As gateway restore told.")],
    new_key: Annotated[
        Path,
        typer.Option(help="The new log's checkpoint key (Ed25519 PEM); made where it is not."),
    ],
    out: Annotated[Path, typer.Option(help="The statement to write.")] = Path("statement.note"),
    config: Config = Path("gateway.yaml"),
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint that somebody kept; repeat it.")
    ] = None,
) -> None:
    """Write the statement that the configured log ends, for two people to sign.

    Nothing is written to the log. What the statement says is what archive, witnesses and
    checkpoints prove now; --lost must say the same.
    """
    from gateway.clock import SystemClock
    from gateway.configuration import load_configuration
    from gateway.opening import signers_of
    from gateway.succeeding import close_log
    from gateway.transparency.notes import Signer
    from gateway.transparency.succession import next_origin, read_unverified_succession

    found = _RANGE.fullmatch(lost)
    if found is None or not reason.strip():
        raise ConfigError("say --lost FIRST-LAST, as gateway restore told, and a --reason")
    if out.exists():
        raise ConfigError(f"{out} is there already: name another file with --out")
    settings = load_configuration(config)
    origin = next_origin(settings.log.origin)
    vkey = Signer(origin, _read_or_make(new_key, origin)).vkey
    note = asyncio.run(
        close_log(
            settings,
            config,
            signers_of(settings),
            vkey,
            (int(found[1]), int(found[2])),
            reason,
            SystemClock(),
            checkpoint or (),
        )
    )
    _write(out, note)
    typer.echo(f"{out}: {read_unverified_succession(note).sentence}.")
    typer.echo(f"The new log's key is {vkey}")
    typer.echo(f"Two people sign it: gateway restore sign {out} --key person.key --as spiffe://…")


def sign(
    statement: Statement,
    key: Annotated[Path, typer.Option(help="The person's succession key (Ed25519 PEM).")],
    person: Annotated[str, typer.Option("--as", help="The person's SPIFFE id.")],
) -> None:
    """Sign STATEMENT as a person: that these entries are lost, and which log goes on."""
    from gateway.transparency.errors import NoteError
    from gateway.transparency.notes import Signer
    from gateway.transparency.succession import add_signature, read_unverified_succession

    if not person.startswith(_SCHEME):
        raise ConfigError("--as is a SPIFFE id: spiffe://example.org/operator/carol")
    note = _read(statement)
    told = read_unverified_succession(note)
    try:
        signer = Signer(person.removeprefix(_SCHEME), _read_key(key))
        signed = add_signature(note, signer)
    except NoteError as error:
        raise ConfigError(f"{statement}: {error}") from None
    _write(statement, signed)
    typer.echo(f"{statement}: {told.sentence}.")
    typer.echo(f"Signed as {person}, key {signer.vkey}")


def succeed(
    statement: Statement,
    config: Annotated[Path, typer.Option(help="The new log's gateway.yaml.")],
) -> None:
    """Open the log that goes on, in the old one's database, with what protected in the old one.

    Bundle, floor file and protections are carried over; exceptions are not. The old log stays as
    it is and verifies up to its last checkpoint.
    """
    from gateway.clock import SystemClock
    from gateway.configuration import load_configuration
    from gateway.opening import signer_of
    from gateway.succeeding import succeed as run

    settings = load_configuration(config)
    note = _read(statement)
    done = asyncio.run(run(settings, config, signer_of(settings), note, SystemClock()))
    typer.echo(f"{done.statement.sentence[:1].upper()}{done.statement.sentence[1:]}.")
    typer.echo(f"Carried over: {done.carried} entries of what protects. Start the gateway.")
    for sentence in done.missing:
        typer.echo(f"Missing in the bundle store: {sentence}")


def _read_or_make(path: Path, origin: str) -> Ed25519PrivateKey:
    if not path.exists():
        from gateway.identity.key_files import add_files
        from gateway.identity.signing_keys import create_note_key_files

        stem = path.name.removesuffix(".key")
        files = create_note_key_files(stem, f"checkpoints of {origin}", origin)
        if path.name != f"{stem}.key":
            raise ConfigError(f"{path}: a new key's file ends in .key")
        add_files(path.parent, files)
    return _read_key(path)


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: the key cannot be read ({type(error).__name__})") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: the key must be Ed25519")
    return key


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__})") from None


def _write(path: Path, text: str) -> None:
    from gateway.identity.key_files import replace_file

    replace_file(path, text.encode())
