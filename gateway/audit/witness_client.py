"""One submission to one witness over HTTP (https://c2sp.org/tlog-witness)."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from gateway.errors import ConfigError
from gateway.transparency.cosignature import CosignatureVerifier
from gateway.witness.requests import format_add_checkpoint

MAX_ANSWER_BYTES = 64 * 1024
TIMEOUT_SECONDS = 5.0

_HEADERS = {"accept-encoding": "identity"}  # the bound then holds for what arrives


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """A witness by the policy's name, its submission prefix and its key."""

    name: str
    url: str
    verifier: CosignatureVerifier


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """What a witness said; status 0: nothing usable, and `body` is why."""

    status: int
    body: str


class WitnessClient:
    """Asks witnesses; whatever goes wrong is an answer, never an exception."""

    def __init__(self, http: httpx.AsyncClient, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._http = http
        self._timeout_seconds = timeout_seconds

    async def submit(
        self, address: WitnessAddress, old_size: int, proof: Sequence[bytes], note: str
    ) -> WitnessAnswer:
        """Submit the checkpoint `note` over the size that the witness is thought to know."""
        url = f"{address.url.rstrip('/')}/add-checkpoint"
        body = format_add_checkpoint(old_size, proof, note)
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._http.stream("POST", url, content=body, headers=_HEADERS) as response,
            ):
                return WitnessAnswer(response.status_code, await _read(response))
        except TimeoutError:
            return WitnessAnswer(0, f"no answer within {self._timeout_seconds:g} s")
        except (httpx.HTTPError, httpx.StreamError, OSError, ValueError) as error:
            return WitnessAnswer(0, type(error).__name__)


async def _read(response: httpx.Response) -> str:
    parts: list[bytes] = []
    size_bytes = 0
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ValueError("compressed, which was not asked for")
    async for part in response.aiter_bytes():
        size_bytes += len(part)
        if size_bytes > MAX_ANSWER_BYTES:
            raise ValueError("too long")
        parts.append(part)
    return b"".join(parts).decode()


def open_witness_http(ca: Path | None, place: str) -> httpx.AsyncClient:
    """A client that trusts `ca` (PEM; the system's authorities without it), follows no redirect
    and takes nothing from the environment; raises ConfigError that names the setting `place`."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"at {place}: {ca} holds no PEM certificates that can be read") from None
    return httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False)


def verify_witness_url(url: str, place: str) -> None:
    """Raises ConfigError unless the address is https, or http to this machine: a witness's refusal
    stops the signing, so nobody on the way may forge one."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_plain_here = parts.scheme == "http" and _is_loopback(host)
        is_allowed = bool(host) and (parts.scheme == "https" or is_plain_here)
        is_bare = parts.username is None and not parts.query and not parts.fragment
    except ValueError:
        is_allowed = is_bare = False
    if not is_allowed or not is_bare:
        raise ConfigError(
            f"at {place}: {url[:200]!r} is neither an https address nor http to this machine"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
