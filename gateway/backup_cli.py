"""`gateway backup`: one consistent copy of the log's database, while the gateway serves."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.configuration import BackupConfig, GatewayConfig
from gateway.errors import ConfigError
from gateway.progress_bar import show_progress

_MEGABYTE = 1_000_000


def backup(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="Below it; without it backup.folder.", show_default=False
        ),
    ] = None,
    config: Annotated[Path, typer.Option(help="gateway.yaml")] = Path("gateway.yaml"),
    region: Annotated[
        str | None, typer.Option(help="The region of FOLDER, where it is not backup.folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Copy the log's database into a new folder, consistent, while gateways go on writing.

    The copy holds wrapped keys and sealed payloads: keep it as you keep the database.
    """
    from gateway.backup.taking import take_backup
    from gateway.clock import SystemClock
    from gateway.configuration import database_url, load_configuration
    from gateway.opening import signers_of

    settings = load_configuration(config)
    target = _target(settings, folder, region)
    with show_progress("backing up", "pages") as progress:
        place, manifest = take_backup(
            database_url(settings, config),
            [signer.verifier for signer in signers_of(settings)],
            target.folder,
            target.region,
            SystemClock().now_us(),
            progress,
        )
    size_bytes = (place / manifest.file).stat().st_size
    if as_json:
        told = {"folder": str(place), "bytes": size_bytes, **msgspec.to_builtins(manifest)}
        typer.echo(json.dumps(told))
        return
    typer.echo(
        f"{place}: {manifest.size:,} signed entries of {manifest.log}, "
        f"{size_bytes / _MEGABYTE:,.1f} MB ({manifest.store})."
    )


def _target(settings: GatewayConfig, folder: Path | None, region: str | None) -> BackupConfig:
    """Where to, once copies of this log may be there; raises ConfigError."""
    from gateway.residency import verify_copy, verify_residency

    target, named = settings.backup, "backup.region"
    if folder is not None and (target is None or folder.resolve() != target.folder.resolve()):
        if settings.log.region and not region:
            raise ConfigError(f"say with --region in which region {folder} is")
        target, named = BackupConfig(folder, region or ""), "--region"
    if target is None:
        raise ConfigError("say where to: gateway backup FOLDER, or set backup.folder")
    # Of the copies only this one is about to be made.
    verify_residency(msgspec.structs.replace(settings, backup=None, archive=None, replicas=()))
    verify_copy(settings, named, target.region)
    return target
