"""`gateway policy …`: the commands of the security team that stand today."""

import asyncio
import getpass
import json
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.app import open_log
from gateway.bundles.acceptance import accept
from gateway.bundles.folder import read_bundle
from gateway.candidate import floor_verifiers, read_candidate
from gateway.changes.activation import (
    Activation,
    Justification,
    activate,
    activation_of,
    verify_successor,
)
from gateway.clock import SystemClock
from gateway.configuration import GatewayConfig, load_configuration
from gateway.decisions.floor import floor_text, parse_floor, parse_rows
from gateway.errors import ConfigError
from gateway.transparency.notes import Signer, sign_note
from gateway.wire.documents import load_yaml

policy_app = typer.Typer(no_args_is_help=True, help="Write, check and put in force policies.")


@policy_app.command()
def check(
    bundle: Annotated[Path, typer.Argument(help="the bundle's folder")] = Path("policies"),
    opa: Annotated[Path, typer.Option(help="the OPA program")] = Path(".parts/bin/opa"),
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Read a bundle and run OPA's own check and tests over it."""
    found = read_bundle(bundle)
    accept(found, opa)
    if as_json:
        typer.echo(json.dumps({"bundle": found.hash, "revision": found.revision}))
    else:
        typer.echo(f"{bundle}: good. revision {found.revision}, {len(found.files)} files,")
        typer.echo(f"{len(found.never_filter)} rows that add to the floor")


@policy_app.command("sign-floor")
def sign_floor(
    rows: Annotated[Path, typer.Argument(help="YAML: {version, rows: [{id, regex|glob, …}]}")],
    key: Annotated[Path, typer.Option(help="the floor's signing key (Ed25519 PEM)")],
    trust_domain: Annotated[str, typer.Option(help="the trust domain it is for")],
    out: Annotated[Path, typer.Option(help="the signed floor to write")],
) -> None:
    """Sign never-filter rows as the floor that stands beside the bundle."""
    document = load_yaml(_read(rows), str(rows))
    if not isinstance(document, dict) or not isinstance(document.get("version"), int):
        raise ConfigError(f"{rows}: write `version: 1` and `rows:` with a list of rows")
    parsed = parse_rows(document.get("rows") or [], str(rows))
    try:
        private_key = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{key}: no signing key: {type(error).__name__}") from None
    signer = Signer(f"{trust_domain}/floor", private_key)  # type: ignore[arg-type]
    note = sign_note(floor_text(trust_domain, document["version"], parsed), [signer])
    out.write_text(note, encoding="utf-8")
    typer.echo(f"{out}: floor version {document['version']} with {len(parsed)} rows, signed")


@policy_app.command("activate")
def activate_command(
    config: Annotated[Path, typer.Option(help="gateway.yaml")],
    justification: Annotated[str, typer.Option(help="why this change is made")],
    approval_id: Annotated[str, typer.Option(help="the approval that allows it")],
) -> None:
    """Put the bundle and floor that the configuration names in force. Restart gateways after it."""
    if not justification.strip() or not approval_id.strip():
        raise ConfigError("a justification and an approval id are required")
    why = Justification(getpass.getuser(), justification, approval_id)
    settings = load_configuration(config)
    activation = asyncio.run(_activate(settings, config, why))
    typer.echo(f"activation {activation.number}: bundle {activation.revision} is in force")


async def _activate(config: GatewayConfig, path: Path, why: Justification) -> Activation:
    candidate = read_candidate(config)
    accept(candidate.bundle, config.engine.opa)
    clock = SystemClock()
    async with open_log(config, path, clock) as opened:
        # From the log and not from the row, which somebody with the disk could have deleted.
        entry = opened.activations.last_entry()
        before = activation_of(entry) if entry is not None else None
        if before is not None:
            note = opened.activations.stored(before.floor)
            old_floor = (
                parse_floor(
                    note.decode(), config.trust_domain, floor_verifiers(config), "old floor"
                )
                if note
                else None
            )
            verify_successor(before, old_floor, candidate)
        return await activate(
            opened.log, opened.activations, candidate, before, why, opened.actor, clock
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__})") from None
