"""`gateway policy …`: the commands of the security team that stand today."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.change_cli import approve
from gateway.decisions.floor import floor_text, parse_rows
from gateway.errors import ConfigError
from gateway.policy_build_cli import build
from gateway.policy_check_cli import check
from gateway.policy_explain_cli import explain
from gateway.policy_impact_cli import impact
from gateway.policy_register_cli import controls, register
from gateway.policy_stage_cli import protect, rollback, stage
from gateway.policy_test_cli import test
from gateway.transparency.notes import Signer, sign_note
from gateway.wire.documents import load_yaml

if TYPE_CHECKING:  # seconds of imports that other commands do not wait for
    from gateway.changes.activation import Justification
    from gateway.changes.state import Governance
    from gateway.configuration import GatewayConfig

policy_app = typer.Typer(no_args_is_help=True, help="Write, check and put in force policies.")
_COMMANDS = (
    check, test, explain, impact, controls, register, build, stage, approve, protect, rollback
)  # fmt: skip
for command in _COMMANDS:
    policy_app.command()(command)


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
    """Put the configured floor file in force, under the bundle that is in force.

    It may only add protection. Running gateways follow within a second.
    """
    from gateway.changes.activation import Justification
    from gateway.configuration import load_configuration

    if not justification.strip() or not approval_id.strip():
        raise ConfigError("a justification and an approval id are required")
    why = Justification(getpass.getuser(), justification, approval_id)
    settings = load_configuration(config)
    state = asyncio.run(_activate(settings, config, why))
    revision = state.active.revision if state.active else ""
    typer.echo(f"activation {state.activation}: bundle {revision} under the new floor is in force")


async def _activate(config: GatewayConfig, path: Path, why: Justification) -> Governance:
    from gateway.backup.hearing import Hearing
    from gateway.candidate import parse_stored_floor, read_named_floor
    from gateway.changes.activation import change_floor, verify_floor_successor
    from gateway.changes.journal import Journal
    from gateway.clock import SystemClock
    from gateway.opening import open_log

    floor = read_named_floor(config)
    # Begun by nobody: gateways sign, who listen to collectors first.
    unheard = Hearing(config.log.origin, config.log.hearing_seconds, SystemClock())
    async with open_log(config, path, SystemClock(), unheard) as opened:
        first_key = opened.log.verifiers()[0].vkey
        journal = Journal(opened.log, SystemClock(), first_key=first_key)
        active = (await journal.refresh()).active
        if active is not None and active.floor_note:
            note = opened.store.get(active.floor_note)
            if note is None or hashlib.sha256(note).hexdigest() != active.floor_note:
                raise ConfigError("the floor in force is not in the store; restore a backup")
            verify_floor_successor(parse_stored_floor(config, note), floor.file)
        if floor.hash:
            opened.store.put(floor.hash, floor.note)
        return await change_floor(journal, floor.hash, why, opened.actor)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__})") from None
