"""The witness's HTTP face: POST /add-checkpoint as tlog-witness says, /healthz and /metrics."""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.witness.requests import MAX_BODY_BYTES
from gateway.witness.witness import Answer, Witness

BODY_TIMEOUT_SECONDS = 10.0
MAX_IN_FLIGHT = 64


class WitnessMetrics:
    """One registry per witness."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "witness_answers", "Submissions answered", ["log", "status"], registry=self.registry
        )
        self._size = Gauge(
            "witness_log_size", "Newest size cosigned", ["log"], registry=self.registry
        )

    def count(self, answer: Answer, newest_size: int) -> None:
        """Count an answer; logs that are not witnessed here share one row."""
        self._answers.labels(answer.origin or "unknown", str(int(answer.status))).inc()
        if answer.origin:
            self._size.labels(answer.origin).set(newest_size)


def create_witness_application(witness: Witness, timeout_seconds: float) -> Starlette:
    """The application over a witness. Nobody is authenticated: a checkpoint's signature is what
    counts (tlog-witness)."""
    metrics = WitnessMetrics()
    in_flight = asyncio.Semaphore(MAX_IN_FLIGHT)

    async def add_checkpoint(request: Request) -> Response:
        if in_flight.locked():
            return PlainTextResponse("come back later\n", 503, headers={"retry-after": "1"})
        async with in_flight:
            body = await _read_body(request, timeout_seconds)
            if isinstance(body, Response):
                return body
            answer = await asyncio.to_thread(witness.add_checkpoint, body)
        metrics.count(answer, witness.newest_size(answer.origin))
        # As a header: given as `media_type`, text/… gets a charset added.
        headers = {"content-type": answer.media_type}
        return Response(answer.body, int(answer.status), headers=headers)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def exposition(_request: Request) -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/metrics", exposition),
        ]
    )


async def _read_body(request: Request, timeout_seconds: float) -> bytes | Response:
    parts: list[bytes] = []
    size_bytes = 0
    try:
        async with asyncio.timeout(timeout_seconds):
            async for part in request.stream():
                size_bytes += len(part)
                if size_bytes > MAX_BODY_BYTES:
                    refusal = f"the body is longer than {MAX_BODY_BYTES} bytes\n"
                    return PlainTextResponse(refusal, 413, headers={"connection": "close"})
                parts.append(part)
    except TimeoutError:
        refusal = f"the body did not arrive within {timeout_seconds:g} s\n"
        return PlainTextResponse(refusal, 408, headers={"connection": "close"})
    except ClientDisconnect:
        return PlainTextResponse("the connection ended before the body did\n", 400)
    return b"".join(parts)
