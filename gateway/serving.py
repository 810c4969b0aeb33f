"""The listener: uvicorn over mutual TLS, started only when everything behind it stands."""

import asyncio
import signal
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from gateway.app import run_gateway
from gateway.clock import SystemClock
from gateway.configuration import GatewayConfig
from gateway.identity.tls import server_context
from gateway.identity.uvicorn_tls import TlsHttpProtocol

GRACE_SECONDS = 10


def serve(config: GatewayConfig, path: Path, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT; requests that were accepted are answered first."""
    context = server_context(config.tls.certificate, config.tls.key, config.tls.ca)
    if sys.platform == "win32":
        asyncio.run(_serve(config, path, context, announce))
        return
    import uvloop

    uvloop.run(_serve(config, path, context, announce))


class _Server(uvicorn.Server):
    """uvicorn raises the signal again after it has stopped, which would skip our own closing."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


async def _serve(
    config: GatewayConfig, path: Path, context: ssl.SSLContext, announce: Callable[[str], None]
) -> None:
    async with run_gateway(config, path, SystemClock()) as gateway:
        server = _Server(
            uvicorn.Config(
                gateway.asgi,
                host=config.listen.host,
                port=config.listen.port,
                http=TlsHttpProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_context_factory=lambda _config, _default: context,
            )
        )
        announce(
            f"listening on https://{config.listen.host}:{config.listen.port} "
            f"(policy {gateway.policy.ref.revision}, activation {gateway.policy.ref.activation})"
        )
        await server.serve()
