"""`gateway audit prove` and `check-proof`: one entry, proven in one file."""

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

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
from gateway.transparency.proof_file import ENDING, encode_proof, main
from gateway.transparency.proving import prove_entry
from gateway.transparency.report import read_key
from gateway.transparency.sources import TlsFiles


def prove(
    seq: Annotated[int, typer.Argument(metavar="N", min=0, help="The entry's number.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"Default: entry-N{ENDING}.")
    ] = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    source: SourceOption = None,
    log: LogOption = None,
    key: KeyOption = None,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    private_key: PrivateKeyOption = None,
) -> None:
    """Write a file that proves, alone and offline, that entry N stands in the log."""
    verifier = None if key is None else read_key(key)
    tls = TlsFiles(ca, certificate, private_key)
    with closing(open_chosen_source(config, database, source, log, tls)) as opened:
        text = encode_proof(prove_entry(opened, seq, verifier))
    path = out or Path(f"entry-{seq}{ENDING}")
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
    typer.echo(f"{path}: entry {seq}\ncheck it: gateway audit check-proof {path} --key VKEY")


def check_proof(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=f"A {ENDING} file.")],
    key: Annotated[
        str, typer.Option("--key", metavar="VKEY", help="The log's verifier key, or its file.")
    ],
    entry: Annotated[
        bool, typer.Option("--entry", help="Write the entry's own bytes, once it is proven.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Verify a proof file, offline, and show its entry.

    Exit code 0: it holds. 1: it is a proof and does not hold. 2: it could not be checked: FILE is
    no proof, there is no key, or it cannot be read.
    """
    if entry and as_json:
        raise ConfigError("--entry and --json do not go together")
    options = ["--entry"] if entry else ["--json"] if as_json else []
    raise typer.Exit(main([str(file), "--key", key, *options]))
