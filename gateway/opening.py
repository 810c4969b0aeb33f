"""Composition of the log: from the configuration to a log that can be written, with what is kept
beside it and who watches it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway import canonical
from gateway.archiving import Archiving, run_archiver
from gateway.audit.retention import PayloadRule, Retention, SqlRemovals
from gateway.audit.sql_log import SqlLog
from gateway.backup.hearing import Hearing
from gateway.clock import Clock
from gateway.configuration import GatewayConfig, database_url
from gateway.errors import ConfigError, GatewayError
from gateway.identity.spiffe import subject_of_certificate
from gateway.inquiring import inquiry_of
from gateway.residency import verify_residency
from gateway.sealed.age import AgeKeyService
from gateway.stewardship import Traffic
from gateway.storage.bundles_store import SqlBundleStore
from gateway.storage.engine import Engine, open_database
from gateway.storage.ledger_heads_store import SqlLedgerHeads
from gateway.storage.recorded_store import SqlRecordedEntries
from gateway.storage.schema import migrate
from gateway.succeeding import read_people
from gateway.transparency.notes import Signer
from gateway.witnessing import Witnessing, run_witnesses


@dataclass(frozen=True, slots=True)
class OpenLog:
    """The log with what is kept beside it and who watches it; `archiving` is None without an
    archive. `actor` is this gateway's SPIFFE id."""

    log: SqlLog
    database: Engine
    store: SqlBundleStore
    heads: SqlLedgerHeads
    traffic: Traffic
    keys: AgeKeyService
    actor: str
    removals: SqlRemovals
    archiving: Archiving | None
    witnessing: Witnessing


@asynccontextmanager
async def open_log(
    config: GatewayConfig, path: Path, clock: Clock, hearing: Hearing | None = None
) -> AsyncIterator[OpenLog]:
    """Open the database and its log; raises ConfigError and LogUnavailableError before anything is
    signed that others have seen differently. With `hearing` nothing is signed while it waits or
    gives a reason."""
    signers = signers_of(config)
    actor = own_uri(config)
    keys = AgeKeyService.open(config.key_service.age_identity)
    read_people(config)  # not on the day they are needed
    await asyncio.to_thread(verify_residency, config)
    async with AsyncExitStack() as stack:
        database = await asyncio.to_thread(open_database, database_url(config, path))
        stack.callback(database.dispose)
        await asyncio.to_thread(migrate, database)
        held = [signer.verifier for signer in signers]
        log = await SqlLog.open(
            database,
            config.log.origin,
            signers[0],
            keys,
            clock,
            actor,
            next_signer=signers[1] if len(signers) > 1 else None,
            inquire=await inquiry_of(config, database, held, clock),
            is_waiting=hearing.is_waiting if hearing else _never,
        )
        stack.push_async_callback(log.aclose)
        archiving = await stack.enter_async_context(run_archiver(config, database, clock))
        known = list(dict.fromkeys([*log.verifiers(), *held]))
        witnessing = await stack.enter_async_context(
            run_witnesses(config, database, log, known, clock)
        )
        log.hold_signing(witnessing.problem)
        if hearing is not None:
            log.hold_signing(hearing.problem)
        yield OpenLog(
            log=log,
            database=database,
            store=SqlBundleStore(database),
            heads=SqlLedgerHeads(database),
            traffic=Traffic(SqlRecordedEntries(database, config.log.origin), log.vault),
            keys=keys,
            actor=actor,
            removals=SqlRemovals(
                database,
                config.log.origin,
                log.vault,
                _retention(config),
                archiving.held if archiving is not None else _holds_nothing,
                archiving.verify_held if archiving is not None else _refuse_unheld,
            ),
            archiving=archiving,
            witnessing=witnessing,
        )


def _never() -> bool:
    return False


def known_keys(config: GatewayConfig) -> list[dict[str, canonical.Value]]:
    """The keys that the configuration names, as `key.created` bodies: fingerprints only."""
    named = [("checkpoint", signer_of(config).vkey)]
    named += [
        ("floor", path.read_text(encoding="utf-8").strip()) for path in config.policies.floor_keys
    ]
    return [
        {"fingerprint": hashlib.sha256(vkey.encode()).hexdigest(), "purpose": purpose}
        for purpose, vkey in named
    ]


def signer_of(config: GatewayConfig) -> Signer:
    """The checkpoint signer that `log.checkpoint_key` names; raises ConfigError."""
    return _read_signer(config.log.checkpoint_key, config.log.origin)


def signers_of(config: GatewayConfig) -> Sequence[Signer]:
    """The keys that this gateway holds, the configured one first; raises ConfigError."""
    following = config.log.next_checkpoint_key
    if following is None:
        return [signer_of(config)]
    return [signer_of(config), _read_signer(following, config.log.origin)]


def own_uri(config: GatewayConfig) -> str:
    """This gateway's SPIFFE id, by its certificate; raises ConfigError."""
    try:
        certificate = x509.load_pem_x509_certificate(config.tls.certificate.read_bytes())
        return subject_of_certificate(certificate, config.trust_domain).uri
    except (OSError, ValueError, GatewayError) as error:
        raise ConfigError(f"{config.tls.certificate}: no certificate of ours: {error}") from None


def _read_signer(path: Path, origin: str) -> Signer:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path}: the checkpoint key cannot be read ({type(error).__name__}); "
            "`gateway keys init` makes one"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: the checkpoint key must be Ed25519")
    return Signer(origin, key)


def _retention(config: GatewayConfig) -> Retention:
    rules = config.retention.payloads
    return Retention(
        config.retention.entries_years,
        tuple(PayloadRule(one.region, one.retention_class, one.days) for one in rules),
    )


def _holds_nothing() -> int:
    """Without an archive no entry is due: payloads alone."""
    return 0


def _refuse_unheld(first: int, last: int) -> None:
    raise ConfigError(f"entries {first} to {last} are in no archive: the configuration names none")
