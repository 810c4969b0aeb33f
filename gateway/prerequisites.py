"""What gateway.yaml names, read before anything starts: composition for `gateway config check`."""

import os
from pathlib import Path

from gateway.audit.timestamps import TimestampAuthority, open_timestamp_http, read_authorities
from gateway.audit.witness_client import open_witness_http
from gateway.clock import Clock
from gateway.configuration import GatewayConfig, TimestampsConfig, WitnessesConfig, database_url
from gateway.errors import ConfigError, VerificationError
from gateway.identity.tls import server_context
from gateway.identity.trust import TrustStore
from gateway.notify.webhooks import open_client, read_key, verify_address
from gateway.opening import known_keys, own_uri, signers_of
from gateway.residency import verify_residency
from gateway.sealed.age import AgeKeyService
from gateway.storage.engine import parse_address
from gateway.succeeding import read_people
from gateway.transparency.checkpoint import read_unverified_checkpoint
from gateway.transparency.notes import MAX_NOTE_BYTES, Verifier
from gateway.witnessing import find_addresses, read_witness_policy


async def verify_prerequisites(config: GatewayConfig, path: Path, clock: Clock) -> None:
    """Read every key, certificate, list and address that `config` (of the file `path`) names, apart
    from bundle and floor. Of others only S3 is asked, where the archive is there; the database is
    not opened. Raises ConfigError, which names the place."""
    server_context(config.tls.certificate, config.tls.key, config.tls.ca)
    TrustStore(config.trust_domain, config.tls.ca, config.tls.crl, clock)
    own_uri(config)
    parse_address(database_url(config, path))
    signers = signers_of(config)
    known_keys(config)
    AgeKeyService.open(config.key_service.age_identity)
    read_people(config)
    _verify_opa(config.engine.opa)
    _verify_kept(config)
    _verify_folders(config)
    verify_residency(config)
    await _verify_notices(config)
    if config.witnesses is not None:
        await _verify_witnesses(config.witnesses, [signer.verifier for signer in signers])
    if config.timestamps is not None:
        await _verify_timestamps(config.timestamps)


def _verify_opa(opa: Path) -> None:
    if not opa.is_file():
        raise ConfigError(f"at engine.opa: {opa}: there is no such program; name where OPA is")
    if not os.access(opa, os.X_OK):
        raise ConfigError(f"at engine.opa: {opa}: it may not be run; make it executable")


def _verify_kept(config: GatewayConfig) -> None:
    """Whether they are of this log; who signed them, the start knows from the log itself."""
    for file in config.log.kept_checkpoints:
        try:
            with file.open("rb") as opened:
                note = opened.read(MAX_NOTE_BYTES).decode(errors="replace")
            origin = read_unverified_checkpoint(note).origin
        except OSError as error:
            raise ConfigError(f"at log.kept_checkpoints: {file}: {error.strerror}") from None
        except VerificationError as error:
            raise ConfigError(f"at log.kept_checkpoints: {file}: no checkpoint: {error}") from None
        if origin != config.log.origin:
            raise ConfigError(
                f"at log.kept_checkpoints: {file}: a checkpoint of log {origin[:200]}, not of "
                f"{config.log.origin}"
            )


def _verify_folders(config: GatewayConfig) -> None:
    """They are made when first written; a file in their place would be in the way."""
    named = {
        "archive.folder": config.archive.folder if config.archive else None,
        "backup.folder": config.backup.folder if config.backup else None,
    }
    for setting, folder in named.items():
        if folder is not None and folder.exists() and not folder.is_dir():
            raise ConfigError(f"at {setting}: {folder} is no folder; name another")


async def _verify_notices(config: GatewayConfig) -> None:
    for url in config.notices.webhooks:
        verify_address(url)
    read_key(config.notices.key)
    async with open_client(config.notices.ca):
        pass


async def _verify_witnesses(witnesses: WitnessesConfig, held: list[Verifier]) -> None:
    find_addresses(witnesses, read_witness_policy(witnesses, held))
    async with open_witness_http(witnesses.ca, "witnesses.ca"):
        pass


async def _verify_timestamps(timestamps: TimestampsConfig) -> None:
    authorities = read_authorities(timestamps.ca)
    async with open_timestamp_http() as http:
        TimestampAuthority(timestamps.url, authorities, http)
