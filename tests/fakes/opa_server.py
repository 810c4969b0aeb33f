"""An HTTP server on loopback that pretends to be OPA and answers what a test tells it to."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from gateway.engine.client import OpaAddress

NAME, REVISION = "policies.tar.gz", "7-0123456789abcdef"
EXPECTED = {NAME: REVISION}
Reply = Callable[[dict[str, Any]], bytes]


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole response; the connection stays open."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answer(result: Any, bundles: dict[str, str] | None = None) -> bytes:
    """A response as OPA would give it."""
    named = EXPECTED if bundles is None else bundles
    provenance = {
        "version": "1.22.2",
        "bundles": {name: {"revision": revision} for name, revision in named.items()},
    }
    return http(json.dumps({"provenance": provenance, "result": result}).encode())


def permits(question: dict[str, Any]) -> list[dict[str, Any]]:
    """A permit for every proposal."""
    return [
        {
            "ref": item["ref"],
            "decision": "permit",
            "action": item["action"],
            "sample_permille": item["sample_permille"],
            "reasons": [],
            "obligations": [],
        }
        for item in question["proposals"]
    ]


class PretendOpa:
    """`reply` maps a question's input to raw bytes: `b"hang"` never answers, `b""` hangs up."""

    def __init__(self) -> None:
        self.reply: Reply = lambda question: answer(permits(question))
        self.requests: list[str] = []
        self._hang = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.requests.append(head)
                length = next(
                    (
                        int(line.split(":")[1])
                        for line in head.split("\r\n")
                        if line.lower().startswith("content-length:")
                    ),
                    0,
                )
                body = await reader.readexactly(length)
                raw = self.reply(json.loads(body)["input"]) if body else http(b"{}")
                if raw == b"hang":
                    await self._hang.wait()
                if not raw:
                    break
                writer.write(raw)
                await writer.drain()
        writer.close()

    def release(self) -> None:
        """Let hanging connections go."""
        self._hang.set()


@contextlib.asynccontextmanager
async def pretend_opa() -> AsyncIterator[tuple[PretendOpa, OpaAddress]]:
    """A running server and its address."""
    pretend = PretendOpa()
    server = await asyncio.start_server(pretend.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield pretend, OpaAddress("127.0.0.1", port, "secret-token")
    finally:
        pretend.release()
        server.close()
        await server.wait_closed()
