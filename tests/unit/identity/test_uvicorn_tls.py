"""The protocol fed by hand, for what a socket cannot be made to do reliably."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from gateway.identity.uvicorn_tls import TlsHttpProtocol, describe_peer


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nothing to pause: the test feeds."""

    def resume_reading(self) -> None:
        """Nothing to resume."""


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def feed(*chunks: bytes) -> Transport:
    transport = Transport()
    config = uvicorn.Config(answer, lifespan="off", log_config=None)
    protocol = TlsHttpProtocol(config, ServerState(), {})
    protocol.connection_made(transport)
    for chunk in chunks:
        protocol.data_received(chunk)
    for _ in range(5):
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    return transport


def test_body_between_two_heads_in_one_read_is_no_head() -> None:
    size = 3 * TlsHttpProtocol.max_head_bytes
    head = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n" % size
    transport = asyncio.run(feed(head, b"\r\n" + b"z" * size + b"GET / HTTP/1.1\r\nx:"))
    assert transport.written.startswith(b"HTTP/1.1 204 ")
    assert b" 400 " not in transport.written


def test_head_that_never_ends_is_cut_off() -> None:
    piece = b"y" * TlsHttpProtocol.max_head_bytes
    transport = asyncio.run(feed(b"GET / HTTP/1.1\r\nx:", piece, piece, piece))
    assert transport.written.startswith(b"HTTP/1.1 400 ")
    assert transport.closed


def test_connection_without_tls_has_no_peer() -> None:
    assert describe_peer(None) is None
