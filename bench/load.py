"""A load generator: keep-alive connections from a process of its own, bodies made beforehand.

Run as `python -m bench.load JOB.json`; writes the result as JSON. Plain asyncio protocols, because
the generator shares two cores with what it measures.
"""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from gateway.identity.tls import client_context


@dataclass(frozen=True, slots=True)
class Job:
    """What to send where. Bodies go out once each, shared among the connections."""

    url: str
    bodies_file: str
    result_file: str
    connections: int
    certificate: str = ""
    key: str = ""
    ca: str = ""


class _Connection(asyncio.Protocol):
    """Sends its requests one after another; reads each answer whole."""

    def __init__(self, requests: "_Requests", done: "asyncio.Future[None]") -> None:
        self._requests = requests
        self._done = done
        self._parts: list[bytes] = []
        self._received = 0
        self._expected = -1
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def _send(self) -> None:
        request = self._requests.next()
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        # Parts are joined for the head and for samples only: the generator must cost little.
        self._parts.append(data)
        self._received += len(data)
        if self._expected < 0:
            self._read_head()
        if self._expected < 0:
            return
        if self._expected == 0:
            if not data.endswith(b"0\r\n\r\n"):
                return
        elif self._received < self._expected:
            return
        self._requests.answered(time.perf_counter() - self._sent_at, self._parts)
        self._parts = []
        self._received = 0
        self._expected = -1
        self._send()

    def _read_head(self) -> None:
        """Learn the answer's length; OPA answers large bodies in chunks, counted as length 0."""
        head, found, _ = b"".join(self._parts).partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        if not lower.startswith(b"http/1.1 200"):
            self._fail(RuntimeError(b"".join(self._parts)[:600].decode(errors="replace")))
            return
        length = lower.partition(b"content-length:")[2].partition(b"\r\n")[0]
        self._expected = len(head) + 4 + int(length) if length else 0

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._done.set_exception(error)
        self._transport.abort()


class _Requests:
    def __init__(self, job: Job, bodies: Sequence[bytes]) -> None:
        parts = urlsplit(job.url)
        head = (
            f"POST {parts.path}{'?' + parts.query if parts.query else ''} HTTP/1.1\r\n"
            f"host: {parts.netloc}\r\ncontent-type: application/json\r\ncontent-length: "
        ).encode()
        self._pending = [b"%b%d\r\n\r\n%b" % (head, len(body), body) for body in reversed(bodies)]
        self.seconds: list[float] = []
        self.samples: list[bytes] = []

    def next(self) -> bytes | None:
        return self._pending.pop() if self._pending else None

    def answered(self, seconds: float, parts: Sequence[bytes]) -> None:
        if len(self.seconds) % 50 == 0 and len(self.samples) < 20:
            self.samples.append(b"".join(parts))
        self.seconds.append(seconds)


async def _run(job: Job, bodies: Sequence[str]) -> dict[str, Any]:
    requests = _Requests(job, [body.encode() for body in bodies])
    parts = urlsplit(job.url)
    context: ssl.SSLContext | None = None
    if parts.scheme == "https":
        context = client_context(Path(job.certificate), Path(job.key), Path(job.ca))
    loop = asyncio.get_running_loop()
    done = [loop.create_future() for _ in range(job.connections)]
    started = time.perf_counter()
    for future in done:
        await loop.create_connection(
            lambda future=future: _Connection(requests, future),
            parts.hostname or "127.0.0.1",
            parts.port or 443,
            ssl=context,
        )
    await asyncio.gather(*done)
    elapsed = time.perf_counter() - started
    return {
        "elapsed_seconds": elapsed,
        "request_seconds": requests.seconds,
        "samples": [sample.partition(b"\r\n\r\n")[2].decode() for sample in requests.samples],
    }


def write_job(job: Job, path: Path) -> None:
    """Put a job where the generator finds it."""
    path.write_text(json.dumps(asdict(job)))


def main() -> None:
    """Run one job."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text()))
    bodies = json.loads(Path(job.bodies_file).read_text())
    Path(job.result_file).write_text(json.dumps(uvloop.run(_run(job, bodies))))


if __name__ == "__main__":
    main()
