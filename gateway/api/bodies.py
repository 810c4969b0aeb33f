"""Request bodies, read within limits of size and time."""

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from gateway.api.problems import ProblemError
from gateway.errors import InputError, TooLargeError


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What one body may cost."""

    max_bytes: int = 2 * 1024 * 1024
    timeout_seconds: float = 10.0


async def read_json_body(request: Request, limits: BodyLimits) -> bytes:
    """The body's bytes; raises TooLargeError, ProblemError (timeout, media type), InputError."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError("unsupported-media-type", "send content-type: application/json")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ProblemError("unsupported-media-type", "send the body without content-encoding")
    declared = request.headers.get("content-length", "")
    digits = declared if declared.isdecimal() else ""
    if len(digits) > 18 or (digits and int(digits) > limits.max_bytes):
        raise TooLargeError(f"the body has {digits[:20]} bytes; at most {limits.max_bytes}")
    chunks: list[bytes] = []
    total = 0
    try:
        async with asyncio.timeout(limits.timeout_seconds):
            async for chunk in request.stream():
                total += len(chunk)
                if total > limits.max_bytes:
                    raise TooLargeError(f"the body is longer than {limits.max_bytes} bytes")
                chunks.append(chunk)
    except TimeoutError:
        raise ProblemError(
            "timeout", f"the body did not arrive within {limits.timeout_seconds:g} s"
        ) from None
    except ClientDisconnect:
        raise InputError("the connection ended before the body did") from None
    return b"".join(chunks)
