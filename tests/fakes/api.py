"""The HTTP application called in-process, with a certificate of the test's choice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.application import create_application
from gateway.api.bodies import BodyLimits
from gateway.api.decisions import decision_handler, decisions_router, ledger_handler
from gateway.api.denials import DenialRecorder
from gateway.api.evidence import evidence_router
from gateway.api.health import Check, health_router
from gateway.api.metrics import Metrics
from gateway.api.succession import succession_router
from gateway.api.tlog import tlog_router
from gateway.api.witnessed import witnessed_router
from gateway.audit.fork_reports import ForkReports
from gateway.decisions.ledger import LedgerHead, LedgerService
from gateway.errors import IdentityError, InputError
from gateway.identity.roles import DECISIONS, LEDGER
from gateway.identity.spiffe import parse_subject
from gateway.identity.subject import Role, Subject
from gateway.identity.trust import TrustStore
from gateway.transparency.tiles import TilePlace
from gateway.wire.handovers import HandoversAnswer
from gateway.wire.succession import SuccessionAnswer
from tests.fakes.decisions import COLLECTOR, FAR_US, Desk, make_desk
from tests.fakes.log import ACTOR
from tests.fakes.outer import Outer
from tests.fakes.witnesses import SIGNER, MemoryWitnessedLog, Tree

SUBJECTS = {
    Role.COLLECTOR: COLLECTOR,
    Role.AUTHOR: "spiffe://example.org/author/ann",
    Role.APPROVER: "spiffe://example.org/approver/bob",
    Role.OPERATOR: "spiffe://example.org/operator/cy",
    Role.AUDITOR: "spiffe://example.org/auditor/di",
    Role.GATEWAY: "spiffe://example.org/gateway/other",
    Role.ENGINE: "spiffe://example.org/engine/opa-1",
}


@dataclass
class StubTrust:
    """Takes a subject's URI for its certificate; `cut_off` are refused with a reason."""

    cut_off: dict[str, str] = field(default_factory=dict)
    ends_us: int = FAR_US

    def identify(self, der: bytes) -> Subject:
        uri = der.decode()
        if uri in self.cut_off:
            raise IdentityError(self.cut_off[uri])
        return parse_subject(uri, "example.org")

    def not_after_us(self, der: bytes) -> int:
        return self.ends_us


class StubEvidence:
    """Proofs of nothing. Refuses indexes past 100; `fault` is raised instead of answering."""

    def __init__(self) -> None:
        self.note: str | None = "note"
        self.fault: Exception | None = None

    def checkpoint(self) -> str | None:
        if self.fault is not None:
            raise self.fault
        return self.note

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        if index > 100:
            raise InputError("index outside the log")
        return [b"\xaa" * 32]

    async def consistency(self, old: int, new: int) -> list[bytes]:
        return []

    async def handovers(self) -> HandoversAnswer:
        return HandoversAnswer(())


class StubTiles:
    """A tree that has every tile, and says in each its path; `note` is its checkpoint."""

    def __init__(self) -> None:
        self.note: str | None = "note"
        self.absent: set[TilePlace] = set()

    async def checkpoint(self) -> str | None:
        return self.note

    async def read(self, place: TilePlace) -> bytes | None:
        return None if place in self.absent else place.path.encode()


class MemoryHeads:
    """Ledger heads in a dictionary."""

    def __init__(self) -> None:
        self.heads: dict[tuple[str, str], LedgerHead] = {}

    async def get(self, collector: str, boot_epoch: str) -> LedgerHead | None:
        return self.heads.get((collector, boot_epoch))

    async def put(self, collector: str, boot_epoch: str, head: LedgerHead) -> None:
        self.heads[collector, boot_epoch] = head


class Service:
    """The application over a desk, in-memory log and stub trust."""

    def __init__(self, limits: BodyLimits | None = None) -> None:
        self.desk: Desk = make_desk()
        self.trust = StubTrust()
        self.evidence = StubEvidence()
        self.tiles = StubTiles()
        self.metrics = Metrics()
        self.checks: dict[str, Check] = {}
        self.outer = Outer(self.desk, self.trust.identify, self.metrics)
        self.cosigned: str | None = "cosigned note"
        self.heard: list[tuple[str, str]] = []
        self.succession: SuccessionAnswer | None = SuccessionAnswer("", (), "note")
        self.witnessed = MemoryWitnessedLog(Tree(), 20)
        self.reports = ForkReports(self.desk.log, self.witnessed, [SIGNER.verifier])
        limits = limits or BodyLimits()
        denials = DenialRecorder(self.desk.log, self.desk.clock, ACTOR)
        ledger = LedgerService(self.desk.log, MemoryHeads())
        decide = decision_handler(self.desk.service, limits, self.metrics)
        report = ledger_handler(ledger, limits)
        self.app: ASGIApp = create_application(
            {
                "decisions": decisions_router(decide, report),
                "evidence": evidence_router(self.evidence, lambda: self.desk.policy, self.hear),
                "succession": succession_router(self.tell_succession),
                "tlog": tlog_router(self.tiles),
                "witnessed": witnessed_router(self.newest_cosigned, self.reports, limits, denials),
                "health": health_router(self.checks, self.metrics),
                **self.outer.routers(limits, denials),
            },
            cast(TrustStore, self.trust),
            denials,
            self.metrics.count_request,
            "0",
            {DECISIONS: decide, LEDGER: report},
        )

    async def hear(self, reporter: str, value: str) -> None:
        """A collector shows what it kept."""
        self.heard.append((reporter, value))

    async def tell_succession(self) -> SuccessionAnswer | None:
        """How the served log came to be."""
        return self.succession

    async def newest_cosigned(self) -> str | None:
        """What the database has."""
        return self.cosigned

    def call(
        self, method: str, path: str, uri: str | None = COLLECTOR, **more: Any
    ) -> httpx.Response:
        """One request."""
        answer: httpx.Response = self.run(lambda client: client.request(method, path, **more), uri)
        return answer

    def run(
        self,
        talk: Callable[[httpx.AsyncClient], Coroutine[Any, Any, Any]],
        uri: str | None = COLLECTOR,
    ) -> Any:
        """A conversation of one certificate's holder."""

        async def with_certificate(scope: Scope, receive: Receive, send: Send) -> None:
            if uri is not None:
                scope["extensions"] = {"tls": {"client_cert_der": uri.encode()}}
            await self.app(scope, receive, send)

        async def converse() -> Any:
            transport = httpx.ASGITransport(app=with_certificate, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="https://gw") as client:
                return await talk(client)

        return asyncio.run(converse())


async def trickle(*chunks: bytes, pause_seconds: float = 0.0) -> AsyncIterator[bytes]:
    """A body in pieces."""
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(pause_seconds)
