"""HTTP to one OPA, by opa-python-client's async client, with what that library leaves open closed.

* It is asked through its own session (`_request`), not `query_rule`: that one discards the body of
  an error, so a failed built-in could not be told from a broken server; it reads answers of any
  length; and it parses them with `json`, which takes NaN and fails on deep nesting.
* Its retries are off: it sleeps 0.3 s and more between them, longer than a class is worth, and a
  policy's error (500) does not go away by asking again.
* `rego_compat=True`, its default, rewrites policies that OPA refuses, and its `get_data` takes
  `false` and `{}` for absent. Neither is used: policies come to OPA only as reviewed bundles, and
  the supervised OPA's own authorisation refuses everything but the one question.
* Its session takes no CA but the system's and asks for a name, not a context: over TLS the session
  is made here, with a context of ours.
* Redirects are not followed and compressed answers not asked for.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from opa_client.opa_async import AsyncOpaClient

from gateway.engine.answer import SpoiledAnswerError
from gateway.errors import EngineError

_QUESTION = "/data/main/verdicts?provenance=true&strict-builtin-errors=true"
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
_OK = 200


class UnreachableError(EngineError):
    """OPA could not be asked at all."""


@dataclass(frozen=True, slots=True)
class OpaAddress:
    """Where an OPA listens, the bearer token it wants (none where empty), and for https the context
    that shows our certificate and holds the CA of its own."""

    host: str
    port: int
    token: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """Status and body as they came."""

    status: int
    body: bytes

    @property
    def is_ok(self) -> bool:
        return self.status == _OK


class OpaClient:
    """One session with one OPA. Open it inside the event loop that uses it."""

    def __init__(self, address: OpaAddress, timeout_seconds: float) -> None:
        self._tls = address.tls
        self._library: Any = AsyncOpaClient(
            host=address.host,
            port=address.port,
            ssl=address.tls is not None,
            token=address.token,
            retries=0,
            timeout=timeout_seconds,
        )

    async def open(self) -> None:
        """Make the session; connects to nothing yet."""
        if self._tls is None:
            await self._library._init_session()
            return
        self._library._connector = aiohttp.TCPConnector(ssl=self._tls)
        self._library._session = aiohttp.ClientSession(
            headers=self._library.headers,
            connector=self._library._connector,
            timeout=aiohttp.ClientTimeout(total=self._library.timeout),
        )

    async def aclose(self) -> None:
        await self._library.close_connection()

    async def ask(self, body: bytes, max_bytes: int) -> RawAnswer:
        """Ask `data.main.verdicts`; raises UnreachableError, TimeoutError, and SpoiledAnswerError
        for an answer of more than `max_bytes`."""
        url = self._library.root_url + _QUESTION
        try:
            request = self._library._request(
                "POST", url, data=body, headers=_HEADERS, allow_redirects=False
            )
            async with request as response:
                return RawAnswer(response.status, await _read(response, max_bytes))
        except TimeoutError:  # before aiohttp's own: ServerTimeoutError is both
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(f"OPA cannot be asked ({type(error).__name__})") from None

    async def is_healthy(self, timeout_seconds: float) -> bool:
        """Whether OPA answers its health probe in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return bool(await self._library.check_health())
        except TimeoutError:
            return False


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    parts = bytearray()
    async for part in response.content.iter_any():
        parts += part
        if len(parts) > max_bytes:
            response.close()
            raise SpoiledAnswerError("malformed", f"an answer of more than {max_bytes} bytes")
    return bytes(parts)
