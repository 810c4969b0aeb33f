"""Webhooks: a short message to addresses of the operator's. A convenience: it never holds up or
fails what it tells of, and `gateway change list` is what counts."""

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import httpx
import structlog

from gateway.changes.notices import Notice, notices_between
from gateway.changes.state import Governance
from gateway.clock import Clock, format_time
from gateway.errors import ConfigError

MAX_WAITING = 256
MIN_KEY_BYTES = 16
SIGNATURE_HEADER = "x-gateway-signature"

_log = structlog.get_logger("gateway.notify")

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """How hard it is tried: pauses double from the first one on."""

    attempts: int = 5
    first_pause_seconds: float = 1.0
    timeout_seconds: float = 10.0


class Notices:
    """Messages on their way. `tell` never waits; `run` sends until it is cancelled."""

    def __init__(
        self,
        urls: Sequence[str],
        client: httpx.AsyncClient,
        clock: Clock,
        key: bytes = b"",
        delivery: Delivery = Delivery(),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Raises ConfigError for an address that is neither https nor http to this machine. With a
        `key` each message is signed: HMAC-SHA256 over the body, hex, after `sha256=`."""
        for url in urls:
            verify_address(url)
        self._urls = tuple(urls)
        self._client = client
        self._clock = clock
        self._key = key
        self._delivery = delivery
        self._sleep = sleep
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MAX_WAITING)

    def tell(self, before: Governance, after: Governance) -> None:
        """Take what the difference calls for; of too much the newest is dropped, and logged."""
        for notice in notices_between(before, after):
            body = self._body(notice)
            for url in self._urls:
                try:
                    self._waiting.put_nowait((url, body))
                except asyncio.QueueFull:
                    _log.warning("notice dropped", to=_place(url), change=notice.id)

    async def run(self) -> None:
        """Send what was taken, one after the other."""
        while True:
            url, body = await self._waiting.get()
            try:
                await self._deliver(url, body)
            finally:
                self._waiting.task_done()

    async def drain(self) -> None:
        """Until everything that was taken is sent or given up; `run` must be running."""
        await self._waiting.join()

    async def _deliver(self, url: str, body: bytes) -> None:
        pause_seconds, problem = self._delivery.first_pause_seconds, ""
        for attempt in range(self._delivery.attempts):
            if attempt:
                await self._sleep(pause_seconds)
                pause_seconds *= 2
            problem, is_worth_repeating = await self._post(url, body)
            if not problem:
                return
            if not is_worth_repeating:
                break
        _log.warning("notice not delivered", to=_place(url), problem=problem)

    async def _post(self, url: str, body: bytes) -> tuple[str, bool]:
        """What went wrong, empty when nothing did, and whether it may go better later."""
        headers = {"content-type": "application/json"}
        if self._key:
            digest = hmac.new(self._key, body, hashlib.sha256).hexdigest()
            headers[SIGNATURE_HEADER] = f"sha256={digest}"
        try:
            async with asyncio.timeout(self._delivery.timeout_seconds):
                async with self._client.stream(
                    "POST", url, content=body, headers=headers
                ) as answer:
                    status = answer.status_code
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            return type(error).__name__, True
        if status < 300:
            return "", False
        return f"status {status}", status == 429 or status >= 500

    def _body(self, notice: Notice) -> bytes:
        value = {**asdict(notice), "time": format_time(self._clock.now_us())}
        return json.dumps(value, ensure_ascii=False).encode()


def open_client(ca: Path | None) -> httpx.AsyncClient:
    """A client for webhooks: redirects are not followed, nothing is taken from the environment.
    Raises ConfigError where the CA file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f"at notices.ca: {ca} holds no PEM certificates that can be read"
        ) from None
    return httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False)


def read_key(path: Path | None) -> bytes:
    """The signing key's bytes, without white space around them; raises ConfigError."""
    if path is None:
        return b""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"at notices.key: {path}: {error.strerror}") from None
    if len(key) < MIN_KEY_BYTES:
        raise ConfigError(
            f"at notices.key: {path}: the key has fewer than {MIN_KEY_BYTES} bytes; write a longer "
            "random one"
        )
    return key


def verify_address(url: str) -> None:
    """Raises ConfigError, whose message leaves out the path: webhooks keep secrets there."""
    try:
        parts = urlsplit(url)
        is_allowed = _is_allowed(parts)
    except ValueError:
        is_allowed = False
    if not is_allowed:
        raise ConfigError(
            f"at notices.webhooks: {_place(url)} is neither https nor http to this machine"
        )


def _is_allowed(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if not host or parts.username is not None:
        return False
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and ip_address(host).is_loopback
    except ValueError:
        return parts.scheme == "http" and host == "localhost"


def _place(url: str) -> str:
    """Scheme and host, which alone may be shown."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}"
    except ValueError:
        return "an address"
