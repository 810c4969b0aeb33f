"""`gateway policy build`: from an author's folder to the signed bundle."""

import json
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from gateway.bundles.acceptance import TrialError, accept
from gateway.bundles.build import sign_bundle
from gateway.bundles.folder import Bundle, read_bundle
from gateway.bundles.keys import fingerprint_of, keyid_of, read_private_key
from gateway.errors import ConfigError
from gateway.policy_test_cli import show_busy

_DOES_NOT_HOLD = 1
_MODE = 0o644  # nothing in a bundle is secret; what is sensitive is sealed


def build(
    key: Annotated[Path, typer.Option(help="the author's key (`gateway keys bundle-key`)")],
    out: Annotated[Path, typer.Option(help="the signed bundle to write")],
    folder: Annotated[Path, typer.Argument(help="the bundle's folder")] = Path("policies"),
    keyid: Annotated[
        str | None, typer.Option(help="the key's name; without it one from its fingerprint")
    ] = None,
    opa: Annotated[Path, typer.Option(help="the OPA program")] = Path(".parts/bin/opa"),
    no_test: Annotated[
        bool, typer.Option("--no-test", help="leave out OPA's check and the bundle's own tests")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
) -> None:
    """Check, test, pack and sign a bundle: the same bytes for the same content and key.

    Exit code 0: built. 1: it does not pass OPA's check or its own tests. 2: it cannot be built.
    """
    private_key = read_private_key(key)
    name = keyid or keyid_of(private_key.public_key())
    bundle = read_bundle(folder)
    if not no_test:
        _try(bundle, opa)
    archive = sign_bundle(bundle, private_key, name)
    _replace(out, archive)
    told = {
        "bundle": bundle.hash,
        "revision": bundle.revision,
        "version": bundle.version,
        "bytes": len(archive),
        "keyid": name,
        "key_fingerprint": fingerprint_of(private_key.public_key()),
        "tested": not no_test,
        "file": str(out),
    }
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    tested = "not tested" if no_test else "OPA's check and the bundle's tests passed"
    typer.echo(f"{out}: revision {bundle.revision}, {len(archive)} bytes")
    typer.echo(tested)
    typer.echo(f"bundle hash {bundle.hash}")
    typer.echo(f"signed with key {name}")


def _try(bundle: Bundle, opa: Path) -> None:
    try:
        with show_busy("running OPA's check and the bundle's tests"):
            accept(bundle, opa)
    except TrialError as error:
        typer.echo(f"gateway: {error}", err=True)
        typer.echo("nothing is built; `gateway policy check` and `test` say more", err=True)
        raise typer.Exit(_DOES_NOT_HOLD) from None


def _replace(out: Path, content: bytes) -> None:
    """Write at once: a reader sees the old bundle or the new one."""
    partial = out.with_name(f".{out.name}.{secrets.token_hex(8)}.partial")
    try:
        partial.write_bytes(content)
        partial.chmod(_MODE)
        os.replace(partial, out)
    except OSError as error:
        raise ConfigError(f"{out}: cannot write the bundle: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
