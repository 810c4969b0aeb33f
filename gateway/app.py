"""Composition: builds a gateway from its configuration. Nothing here decides anything."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from fastapi import APIRouter
from starlette.types import ASGIApp

from gateway import canonical
from gateway.api.application import create_application
from gateway.api.authzen import authzen_router
from gateway.api.bodies import BodyLimits
from gateway.api.bundles import SealedOffer, bundles_router
from gateway.api.changes import changes_router
from gateway.api.decisions import decision_handler, decisions_router, ledger_handler
from gateway.api.deeds import deeds_router
from gateway.api.denials import DenialRecorder
from gateway.api.events import events_router
from gateway.api.evidence import Hear, evidence_router
from gateway.api.health import Check, health_router
from gateway.api.metrics import Metrics
from gateway.api.status import EngineReports, EngineReportsCollector, status_router
from gateway.api.succession import succession_router
from gateway.api.tlog import tlog_router
from gateway.api.witnessed import witnessed_router
from gateway.archiving import ArchivingCollector
from gateway.audit.port import Draft, Removal
from gateway.audit.published_tiles import PublishedTiles
from gateway.audit.sql_log import SqlLog
from gateway.backup.hearing import Hearing
from gateway.backup.served import ServedSuccession
from gateway.changes.deed_service import DeedService
from gateway.changes.follower import Follower
from gateway.changes.journal import Records, Tell
from gateway.changes.steward import Steward
from gateway.changes.vigil import Vigil
from gateway.clock import Clock
from gateway.configuration import GatewayConfig
from gateway.decisions.leased import LeaseReconciliation, RememberedLeases
from gateway.decisions.ledger import LedgerService
from gateway.decisions.policy import ActivePolicy
from gateway.decisions.service import DecisionService
from gateway.identity.roles import DECISIONS, LEDGER
from gateway.identity.trust import TrustStore
from gateway.lifecycle import Lifecycle, run_lifecycle
from gateway.notify.webhooks import Notices, open_client, read_key
from gateway.opening import OpenLog, known_keys, open_log
from gateway.stewardship import make_steward, make_vigil
from gateway.tasks import run_beside
from gateway.witnessing import Witnessing, WitnessingCollector

VERSION = metadata.version("compliance-gateway")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway without its listener; `end_streams()` ends what would outlast a stop."""

    asgi: ASGIApp
    end_streams: Callable[[], None]
    policy: ActivePolicy
    log: SqlLog


@asynccontextmanager
async def run_gateway(config: GatewayConfig, path: Path, clock: Clock) -> AsyncIterator[Gateway]:
    """Everything but the listener; bad configuration raises before anything is answered."""
    trust = TrustStore(config.trust_domain, config.tls.ca, config.tls.crl, clock)
    instance = secrets.token_hex(8)
    async with AsyncExitStack() as stack:
        hearing = Hearing(config.log.origin, config.log.hearing_seconds, clock)
        opened = await stack.enter_async_context(open_log(config, path, clock, hearing))
        lifecycle = await stack.enter_async_context(
            run_lifecycle(
                config,
                opened.log,
                opened.store,
                opened.actor,
                clock,
                known_keys(config),
                opened.keys,
                await _notices(stack, config, clock),
                first_key=opened.log.verifiers()[0].vkey,
            )
        )
        steward = make_steward(
            config,
            lifecycle,
            opened.log,
            opened.traffic,
            clock,
            opened.actor,
            opened.removals,
            opened.log.can_hand_over,
        )
        vigil = make_vigil(lifecycle, opened.traffic, clock, opened.actor)
        opened.log.verify_in_background()
        await _mark(opened, "gateway.started", {"instance": instance, "version": VERSION})
        stack.push_async_callback(_stopped, opened, instance)
        run_beside(stack, steward.run(), "steward")
        run_beside(stack, vigil.run(), "vigil")
        hear = partial(_hear, hearing, opened)
        application = _application(config, clock, trust, opened, lifecycle, steward, vigil, hear)
        hearing.begin()
        yield Gateway(application, lifecycle.end_streams, lifecycle.follower(), opened.log)


async def _notices(stack: AsyncExitStack, config: GatewayConfig, clock: Clock) -> Tell:
    """Tells webhooks what this process changes, where there are any."""
    settings = config.notices
    client = await stack.enter_async_context(open_client(settings.ca))
    notices = Notices(settings.webhooks, client, clock, read_key(settings.key))
    run_beside(stack, notices.run(), "notices")
    return notices.tell


def _application(
    config: GatewayConfig,
    clock: Clock,
    trust: TrustStore,
    opened: OpenLog,
    lifecycle: Lifecycle,
    steward: Steward,
    vigil: Vigil,
    hear: Hear,
) -> ASGIApp:
    policy = lifecycle.follower
    metrics = Metrics()
    metrics.activation.set_function(lambda: policy().ref.activation)
    metrics.steward_problem.set_function(lambda: bool(steward.problem or vigil.problem))
    metrics.expected_unseen.set_function(lambda: len(lifecycle.journal.state.alarms))
    limits = BodyLimits(config.limits.body_bytes, config.limits.body_timeout_seconds)
    leases = RememberedLeases()
    service = DecisionService(
        policy,
        opened.log,
        clock,
        opened.actor,
        metrics.observe,
        leases.remember,
        policy.look_soon,
    )
    metrics.log_unscrubbed.set_function(lambda: bool(opened.log.unscrubbed()))
    _forget_what_is_removed(opened.log, service, vigil)
    ledger = LedgerService(opened.log, opened.heads, LeaseReconciliation(leases, clock))
    decide = decision_handler(service, limits, metrics)
    report = ledger_handler(ledger, limits)
    denials = DenialRecorder(opened.log, clock, opened.actor)
    name = config.policies.name
    reports = EngineReports(name, lambda: policy().ref.revision, clock)
    metrics.registry.register(EngineReportsCollector(reports, lambda: policy().ref.revision))
    entitled = frozenset(config.policies.sealed_engines)
    sealed = SealedOffer(lifecycle.sealed, entitled, denials)
    if opened.archiving is not None:
        metrics.registry.register(ArchivingCollector(opened.archiving))
    metrics.registry.register(WitnessingCollector(opened.witnessing))
    records = Records(lifecycle.journal, opened.log, lifecycle.store)
    routers = {
        "decisions": decisions_router(decide, report),
        "authzen": authzen_router(service, limits, denials),
        "evidence": evidence_router(opened.log, policy, hear),
        "succession": succession_router(ServedSuccession(opened.database, opened.log).answer),
        "tlog": tlog_router(PublishedTiles(opened.database, opened.log.origin)),
        "witnessed": _witnessed(opened.witnessing, limits, denials),
        "events": events_router(lifecycle.feed, trust.identify),
        "changes": changes_router(lifecycle.queue),
        "deeds": deeds_router(DeedService(records, opened.removals, clock)),
        "bundles": bundles_router(lifecycle.archives, name, trust.identify, sealed),
        "status": status_router(reports),
        "health": health_router(
            _checks(clock, trust, opened, policy), metrics, partial(_notes, opened)
        ),
    }
    return create_application(
        routers, trust, denials, metrics.count_request, VERSION, {DECISIONS: decide, LEDGER: report}
    )


async def _hear(hearing: Hearing, opened: OpenLog, reporter: str, value: str) -> None:
    await hearing.hear(reporter, value, opened.database, opened.log.verifiers)


def _forget_what_is_removed(log: SqlLog, service: DecisionService, vigil: Vigil) -> None:
    """What leaves the log leaves memory; the log tells of it on its own thread."""
    loop = asyncio.get_running_loop()

    def forget(removal: Removal) -> None:
        if removal.class_ids:
            service.forget()
        vigil.forget()

    def hear(removal: Removal) -> None:
        # The loop may be closed by now: then there is no memory left to forget it.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(forget, removal)

    log.on_removal(hear)


def _witnessed(witnessing: Witnessing, limits: BodyLimits, denials: DenialRecorder) -> APIRouter:
    return witnessed_router(witnessing.log.newest_cosigned, witnessing.reports, limits, denials)


def _checks(clock: Clock, trust: TrustStore, opened: OpenLog, policy: Follower) -> dict[str, Check]:
    async def log() -> str | None:
        return opened.log.health()

    async def keys() -> str | None:
        return opened.keys.health() or trust.health()

    async def bundle() -> str | None:
        if policy.problem is not None or clock.now_us() < policy().expires_us:
            return policy.problem
        return f"bundle {policy().ref.revision} is past its maximum age; stage a newer one"

    async def engine() -> str | None:
        return await policy().engine.health()

    return {"engine": engine, "log": log, "keys": keys, "bundle": bundle}


def _notes(opened: OpenLog) -> dict[str, str]:
    """What is wrong and stops no verdict."""
    timestamps = opened.witnessing.timestamps
    told = {
        "archive": opened.archiving.problem if opened.archiving is not None else None,
        "erasure": opened.log.unscrubbed(),
        "timestamps": timestamps.failure if timestamps is not None else None,
        "witnesses": opened.witnessing.problem(),
    }
    return {name: problem for name, problem in told.items() if problem}


async def _mark(opened: OpenLog, kind: str, body: dict[str, canonical.Value]) -> None:
    await opened.log.append([Draft(kind, opened.actor, canonical.encode(body))])


async def _stopped(opened: OpenLog, instance: str) -> None:
    await _mark(opened, "gateway.stopped", {"instance": instance, "reason": "asked to stop"})
