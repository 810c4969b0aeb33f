"""The console script `gateway`. Exit 0: fine, 1: what was checked fails, 2: could not check."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from gateway.audit_archive_cli import archive
from gateway.audit_cli import audit_app
from gateway.audit_erase_cli import erase
from gateway.audit_export_cli import export
from gateway.audit_hold_cli import hold_app
from gateway.audit_inspect_cli import inspect
from gateway.audit_pack_cli import pack
from gateway.audit_prove_cli import check_proof, prove
from gateway.audit_purge_cli import purge
from gateway.audit_replay_cli import replay
from gateway.audit_succession_cli import succession
from gateway.audit_timestamps_cli import timestamps
from gateway.audit_verify_cli import verify
from gateway.backup_cli import backup
from gateway.change_cli import change_app
from gateway.errors import GatewayError
from gateway.exception_cli import exception_app
from gateway.keys_cli import keys_app
from gateway.keys_handover_cli import hand_over
from gateway.policy_cli import policy_app
from gateway.restore_cli import restore_app
from gateway.witness_cli import witness_app

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The compliance gateway: no drop of telemetry without a recorded verdict.",
)
config_app = typer.Typer(no_args_is_help=True, help="The gateway's own configuration.")
keys_app.command("hand-over")(hand_over)
app.add_typer(keys_app, name="keys", help="Certificates and keys of a trust domain.")
app.add_typer(policy_app, name="policy", help="Write, check and put in force policies.")
app.add_typer(change_app, name="change", help="What waits for people: list, show, approve, reject.")
app.add_typer(exception_app, name="exception", help="Break-glass from soft rules.")
app.add_typer(config_app, name="config")
app.add_typer(witness_app, name="witness", help="Be a witness of logs: cosign what only grows.")
app.command()(backup)
app.add_typer(restore_app, name="restore", help="Put a backup back; close and succeed a log.")
audit_app.command()(verify)
audit_app.command()(archive)
audit_app.command()(inspect)
audit_app.command()(pack)
audit_app.command()(replay)
audit_app.command()(succession)
audit_app.command()(timestamps)
audit_app.command()(export)
audit_app.command()(prove)
audit_app.command("check-proof")(check_proof)
audit_app.command()(purge)
audit_app.command()(erase)
audit_app.add_typer(hold_app, name="hold")
app.add_typer(audit_app, name="audit", help="Verify and read the log, alone.")

Config = Annotated[Path, typer.Option(help="gateway.yaml")]


@app.command()
def serve(config: Config = Path("gateway.yaml")) -> None:
    """Serve collectors over mutual TLS until told to stop."""
    from gateway.configuration import load_configuration
    from gateway.serving import serve as run

    run(load_configuration(config), config, lambda line: typer.echo(line, err=True))


@config_app.command("check")
def check_config(config: Config = Path("gateway.yaml")) -> None:
    """Read the configuration and everything that it names, and start nothing."""
    from gateway.candidate import read_named_floor, read_seed
    from gateway.clock import SystemClock
    from gateway.configuration import load_configuration
    from gateway.prerequisites import verify_prerequisites

    settings = load_configuration(config)
    asyncio.run(verify_prerequisites(settings, config, SystemClock()))
    seed, floor = read_seed(settings), read_named_floor(settings)
    typer.echo(f"{config}: good. bundle {seed.bundle.revision}, floor file {floor.hash[:16]}")


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="made anew each time")] = Path(".demo"),
) -> None:
    """Keys, a gateway over mTLS, a collector, verdicts on real processes, an audit."""
    from gateway.demo import run_demo

    raise typer.Exit(run_demo(folder))


def main() -> None:
    """Run the command; a declared error is one sentence and exit code 2."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    try:
        app()
    except GatewayError as error:
        typer.echo(f"gateway: {error}", err=True)
        sys.exit(2)
