"""The parts behind the routes of OPA servers, AuthZEN and the event stream, for `Service`."""

from collections.abc import Callable

from fastapi import APIRouter

from gateway.api.authzen import authzen_router
from gateway.api.bodies import BodyLimits
from gateway.api.bundles import BundleBroadcast, SealedOffer, bundles_router
from gateway.api.denials import DenialRecorder
from gateway.api.events import PolicyBroadcast, StreamLimits, events_router
from gateway.api.metrics import Metrics
from gateway.api.status import EngineReports, EngineReportsCollector, status_router
from gateway.identity.subject import Subject
from tests.fakes.decisions import Desk

BUNDLE = "compliance"
ARCHIVE = b"\x1f\x8b the archive"
SEALED = b"\x1f\x8b sealed data in clear"
STREAMS = StreamLimits(heartbeat_seconds=0.2, check_seconds=0.05, send_seconds=0.2)


class Outer:
    """The broadcasts and reports, with their routers. The revision expected is the desk's."""

    def __init__(self, desk: Desk, identify: Callable[[bytes], Subject], metrics: Metrics) -> None:
        self._desk = desk
        self._identify = identify
        self.bundles = BundleBroadcast(("3-7-00aa", ARCHIVE))
        self.sealed = BundleBroadcast(("3-7-00aa.sealed.00", SEALED))
        self.sealed_engines = frozenset({"spiffe://example.org/engine/opa-1"})
        self.feed = PolicyBroadcast(desk.policy.ref)
        self.reports = EngineReports(BUNDLE, self.revision, desk.clock)
        metrics.registry.register(EngineReportsCollector(self.reports, self.revision))

    def revision(self) -> str:
        return self._desk.policy.ref.revision

    def routers(self, limits: BodyLimits, denials: DenialRecorder) -> dict[str, APIRouter]:
        offer = SealedOffer(self.sealed, self.sealed_engines, denials)
        return {
            "authzen": authzen_router(self._desk.service, limits, denials),
            "bundles": bundles_router(self.bundles, BUNDLE, self._identify, offer),
            "events": events_router(self.feed, self._identify, STREAMS),
            "status": status_router(self.reports),
        }
