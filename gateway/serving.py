"""The listener: uvicorn over mutual TLS, started only when everything behind it stands."""

import asyncio
import gc
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from gateway.app import run_gateway
from gateway.clock import SystemClock
from gateway.configuration import GatewayConfig, Listen
from gateway.errors import ConfigError
from gateway.identity.tls import server_context
from gateway.listener import Listener, listener_config

GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 75


def serve(config: GatewayConfig, path: Path, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT; requests that were accepted are answered first."""
    context = server_context(config.tls.certificate, config.tls.key, config.tls.ca)
    if sys.platform == "win32":
        asyncio.run(_serve(config, path, context, announce))
        return
    import uvloop

    uvloop.run(_serve(config, path, context, announce))


def reserve_address(listen: Listen) -> socket.socket:
    """A socket bound to the address, on which nobody is answered yet; raises ConfigError."""
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        reserved = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"at listen.host: {listen.host}: {error.strerror}") from None
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(address)
    except OSError as error:
        reserved.close()
        raise ConfigError(
            f"at listen: {listen.host}:{listen.port} cannot be listened on ({error.strerror}); "
            "free it or name another port"
        ) from None
    return reserved


def _settle_memory() -> None:
    """What the start made lives as long as the process: the collector need not walk it again. A
    request makes thousands of short-lived values without cycles, so it also runs more rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class _Server(Listener):
    """Streams end with the first signal: requests under way are waited for, and they would last."""

    def __init__(
        self,
        config: uvicorn.Config,
        announce: Callable[[], None],
        end_streams: Callable[[], None],
    ) -> None:
        super().__init__(config, announce)
        self._end_streams = end_streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._end_streams()
        super().handle_exit(sig, frame)


async def _serve(
    config: GatewayConfig, path: Path, context: ssl.SSLContext, announce: Callable[[str], None]
) -> None:
    with reserve_address(config.listen) as reserved:
        async with run_gateway(config, path, SystemClock()) as gateway:
            _settle_memory()
            policy = gateway.policy.ref
            place = f"https://{config.listen.host}:{reserved.getsockname()[1]}"
            server = _Server(
                listener_config(gateway.asgi, context, GRACE_SECONDS, KEEP_ALIVE_SECONDS),
                lambda: announce(
                    f"listening on {place} "
                    f"(policy {policy.revision}, activation {policy.activation})"
                ),
                gateway.end_streams,
            )
            await server.serve(sockets=[reserved])
