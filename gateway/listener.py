"""uvicorn as our servers use it: one process, no lifespan, no logs of its own, and a stop that lets
what is around it end in its turn."""

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from gateway.identity.uvicorn_tls import TlsHttpProtocol

KEEP_ALIVE_SECONDS = 5


def listener_config(
    application: ASGIApp,
    context: ssl.SSLContext | None,
    grace_seconds: int,
    keep_alive_seconds: int = KEEP_ALIVE_SECONDS,
) -> uvicorn.Config:
    """Serve `application` over TLS, or over plain HTTP without a context. On a stop, requests have
    `grace_seconds` to end; idle connections are closed after `keep_alive_seconds`."""
    return uvicorn.Config(
        application,
        http=TlsHttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=keep_alive_seconds,
        timeout_graceful_shutdown=grace_seconds,
        ssl_context_factory=None if context is None else lambda _config, _default: context,
    )


class Listener(uvicorn.Server):
    """Announces when it listens, not before."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's."""
        await super().startup(sockets)
        if self.started:
            self._announce()

    # uvicorn raises the signal again after it has stopped, which would skip our own closing.
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
