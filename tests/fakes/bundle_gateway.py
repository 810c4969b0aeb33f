"""The routes for OPA servers behind a really listening uvicorn with our TLS, in a thread."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from gateway.api.application import create_application
from gateway.api.bundles import BundleBroadcast, SealedOffer, bundles_router
from gateway.api.denials import DenialRecorder
from gateway.api.events import PolicyBroadcast, StreamLimits, events_router
from gateway.api.metrics import Metrics
from gateway.api.status import EngineReports, EngineReportsCollector, status_router
from gateway.bundles.folder import Bundle
from gateway.bundles.sealed_data import offered_sealed
from gateway.clock import SystemClock
from gateway.identity.authority import issue
from gateway.identity.tls import server_context
from gateway.identity.trust import TrustStore
from gateway.identity.uvicorn_tls import TlsHttpProtocol
from gateway.wire.verdicts import PolicyRef
from tests.fakes.log import ACTOR, MemoryLog
from tests.fakes.pki import GATEWAY, TRUST_DOMAIN, Domain, make_domain

NAME = "compliance"
ENGINE = f"spiffe://{TRUST_DOMAIN}/engine/opa-1"
STREAMS = StreamLimits(heartbeat_seconds=1.0, check_seconds=0.2, send_seconds=1.0)


class BundleGateway:
    """Serves one bundle after another, and their sealed data to `sealed_engines`. Entered, it
    listens until it is left."""

    def __init__(
        self, folder: Path, bundle: Bundle, sealed_engines: frozenset[str] = frozenset()
    ) -> None:
        self.domain: Domain = make_domain(folder, SystemClock())
        issue(folder, ENGINE, 2, SystemClock())
        self.log = MemoryLog(clock=SystemClock())
        self.metrics = Metrics()
        self.bundle = bundle
        self.activation = 1
        self.bundles = BundleBroadcast((self._tag(), bundle.archive))
        self.sealed = BundleBroadcast(self._sealed())
        self.sealed_engines = sealed_engines
        self.feed = PolicyBroadcast(self._ref())
        self.reports = EngineReports(NAME, lambda: self.bundle.revision, SystemClock())
        self.metrics.registry.register(
            EngineReportsCollector(self.reports, lambda: self.bundle.revision)
        )
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server = uvicorn.Server(self._config())
        self._thread = threading.Thread(target=self._run)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def publish(self, bundle: Bundle) -> None:
        """Put another bundle in force."""
        self.bundle = bundle
        self.activation += 1
        self._in_loop(lambda: self.bundles.publish((self._tag(), bundle.archive)))
        self._in_loop(lambda: self.sealed.publish(self._sealed()))
        self._in_loop(lambda: self.feed.publish(self._ref()))

    def opa_config(self) -> dict[str, Any]:
        """What an OPA is told so that it takes its bundle from here and reports."""
        certificate, key = self.domain.files(ENGINE)
        service = {
            "url": self.url,
            "credentials": {"client_tls": {"cert": str(certificate), "private_key": str(key)}},
            "tls": {"ca_cert": str(self.domain.ca)},
        }
        polling = {"long_polling_timeout_seconds": 10}
        names = [NAME] if self.bundle.sealed is None else [NAME, f"{NAME}.sealed"]
        return {
            "services": {"gateway": service},
            "bundles": {
                name: {"service": "gateway", "resource": f"/bundles/{name}", "polling": polling}
                for name in names
            },
            "status": {"service": "gateway"},
        }

    def __enter__(self) -> "BundleGateway":
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "uvicorn did not start"
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._in_loop(self.bundles.close)
        self._in_loop(self.sealed.close)
        self._in_loop(self.feed.close)
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _tag(self) -> str:
        return f"{self.activation}-{self.bundle.revision}"

    def _sealed(self) -> tuple[str, bytes]:
        return f"{self._tag()}.sealed", offered_sealed(self.bundle).archive

    def _ref(self) -> PolicyRef:
        return PolicyRef(self.activation, self.bundle.revision, self.bundle.hash, "f" * 64)

    def _in_loop(self, call: Callable[[], None]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(call)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self._loop = runner.get_loop()
            runner.run(self._server.serve(sockets=[self._listening]))

    def _config(self) -> uvicorn.Config:
        trust = TrustStore(TRUST_DOMAIN, self.domain.ca, self.domain.crl, SystemClock())
        denials = DenialRecorder(self.log, SystemClock(), ACTOR)
        offer = SealedOffer(self.sealed, self.sealed_engines, denials)
        routers = {
            "bundles": bundles_router(self.bundles, NAME, trust.identify, offer),
            "events": events_router(self.feed, trust.identify, STREAMS),
            "status": status_router(self.reports),
        }
        context = server_context(*self.domain.files(GATEWAY), self.domain.ca)
        return uvicorn.Config(
            create_application(routers, trust, denials, self.metrics.count_request, "0", {}),
            http=TlsHttpProtocol,
            ssl_context_factory=lambda _config, _default: context,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=2,
        )
