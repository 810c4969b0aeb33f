"""RFC 3161 timestamps over checkpoints: an authority's word that a checkpoint existed by a time.

What is stamped is SHA-256 of the checkpoint's note text (its lines without the signatures), so a
token still holds for a note that was cosigned later. Stored is the token alone (CMS, DER), as
`openssl ts -verify -token_in` takes it.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import rfc3161_client
import structlog
from cryptography import x509
from rfc3161_client.errors import VerificationError as StampRefusedError

from gateway.audit.witnessed_log import WitnessedLog
from gateway.clock import Clock, format_time
from gateway.errors import ConfigError, GatewayError, VerificationError
from gateway.identity.key_files import read_file
from gateway.storage.cosigned_store import TimestampRow
from gateway.transparency.notes import split_note

MAX_ANSWER_BYTES = 64 * 1024
TIMEOUT_SECONDS = 15.0
RETRY_SECONDS = 60.0

_SHA256 = "2.16.840.1.101.3.4.2.1"
_GRANTED = bytes.fromhex("3003020100")  # PKIStatusInfo: granted
_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
_log = structlog.get_logger("gateway.timestamps")

Sleep = Callable[[float], Awaitable[None]]


class TimestampError(VerificationError):
    """A token does not hold, or the authority gave none."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A verified token (DER). What it stamps existed before `before_us`, the authority's time and
    its accuracy."""

    token: bytes
    before_us: int


def read_authorities(path: Path) -> list[x509.Certificate]:
    """The CA certificates of a timestamp authority (PEM); raises ConfigError."""
    try:
        found = x509.load_pem_x509_certificates(read_file(path, "timestamp authority's CA"))
    except ValueError:
        found = []
    if not found:
        raise ConfigError(f"{path}: holds no PEM certificates: it should be the authority's CA")
    return found


def verify_token(
    token: bytes, text: str, authorities: Sequence[x509.Certificate], nonce: int | None = None
) -> Stamp:
    """The token's stamp over the note text, vouched for by one of the CAs at the token's own time;
    raises TimestampError. With a `nonce`, it must be the token's."""
    try:
        answer = rfc3161_client.decode_timestamp_response(_granted(token))
        if answer.time_stamp_token() != token:
            raise TimestampError("bytes stand after the token")
        return _verify_answer(answer, text, authorities, nonce)
    except ValueError as error:
        raise TimestampError(f"the token cannot be read: {str(error)[:120]}") from None


def _verify_answer(
    answer: rfc3161_client.TimeStampResponse,
    text: str,
    authorities: Sequence[x509.Certificate],
    nonce: int | None,
) -> Stamp:
    info = answer.tst_info
    if info.message_imprint.hash_algorithm.dotted_string != _SHA256:
        raise TimestampError("the token is over another hash than SHA-256")
    verifier = rfc3161_client.VerifierBuilder(roots=list(authorities), nonce=nonce).build()
    try:
        verifier.verify(answer, hashlib.sha256(text.encode()).digest())
    except StampRefusedError as error:
        raise TimestampError(f"the token does not hold: {_words(error)}") from None
    accuracy = info.accuracy
    accuracy_us = 0
    if accuracy is not None:
        accuracy_us = (accuracy.seconds or 0) * 1_000_000
        accuracy_us += (accuracy.millis or 0) * 1_000 + (accuracy.micros or 0)
    seconds = int(info.gen_time.replace(microsecond=0).timestamp())
    before_us = seconds * 1_000_000 + info.gen_time.microsecond + accuracy_us
    return Stamp(answer.time_stamp_token(), before_us)


class TimestampAuthority:
    """One authority over HTTP (RFC 3161 section 3.4)."""

    def __init__(
        self, url: str, authorities: Sequence[x509.Certificate], http: httpx.AsyncClient
    ) -> None:
        """Tokens are signed, so plain http is as good as https; raises ConfigError for another
        address."""
        try:
            parts = httpx.URL(url)
            is_usable = parts.scheme in ("http", "https") and parts.host and not parts.userinfo
        except httpx.InvalidURL:
            is_usable = False
        if not is_usable:
            raise ConfigError("at timestamps.url: not an http or https address")
        self.url = url
        self._authorities = tuple(authorities)
        self._http = http

    async def stamp(self, text: str) -> Stamp:
        """Have the note text stamped now; raises TimestampError unless the answer is a token over
        exactly this text and request, vouched for by the configured CA."""
        request = (
            rfc3161_client.TimestampRequestBuilder()
            .data(text.encode())
            .hash_algorithm(rfc3161_client.HashAlgorithm.SHA256)
            .nonce(nonce=True)
            .build()
        )
        body = await self._post(request.as_bytes())
        try:
            answer = rfc3161_client.decode_timestamp_response(body)
            status = rfc3161_client.PKIStatus(answer.status)
            if status is not rfc3161_client.PKIStatus.GRANTED:
                raise TimestampError(f"{self.url} did not stamp: {status.name.lower()}")
            token = answer.time_stamp_token()
        except ValueError as error:
            raise TimestampError(f"{self.url} answered no timestamp: {str(error)[:120]}") from None
        return verify_token(token, text, self._authorities, request.nonce)

    async def _post(self, query: bytes) -> bytes:
        headers = {"content-type": _QUERY, "accept": _REPLY, "accept-encoding": "identity"}
        parts: list[bytes] = []
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self._http.stream("POST", self.url, content=query, headers=headers) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise TimestampError(f"{self.url} answered with status {answer.status_code}")
                async for part in answer.aiter_bytes():
                    parts.append(part)
                    if sum(map(len, parts)) > MAX_ANSWER_BYTES:
                        raise TimestampError(f"{self.url} answered too much")
        except (httpx.HTTPError, httpx.StreamError, OSError, TimeoutError) as error:
            raise TimestampError(f"{self.url} cannot be asked: {type(error).__name__}") from None
        return b"".join(parts)


class Timestamps:
    """Has the newest checkpoint stamped each `interval_seconds`, apart from everything else."""

    def __init__(
        self,
        log: WitnessedLog,
        authority: TimestampAuthority,
        interval_seconds: float,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._log = log
        self._authority = authority
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._sleep = sleep
        self.failure: str | None = None
        self.stamped_size = 0

    async def run(self) -> None:
        """Stamp until cancelled; after a failure the next try is sooner."""
        while True:
            try:
                pause_seconds = await self.stamp_newest()
                self.failure = None
            except Exception as error:  # noqa: BLE001 - one bad round must not be the last
                is_ours = isinstance(error, GatewayError)
                self.failure = str(error) if is_ours else type(error).__name__
                _log.warning("checkpoint not stamped", reason=self.failure)
                pause_seconds = min(RETRY_SECONDS, self._interval_seconds)
            await self._sleep(pause_seconds)

    async def stamp_newest(self) -> float:
        """Stamp the newest checkpoint if that is due; seconds until the next look. Due or not is
        read from the database, so that neither a restart nor a second gateway stamps more often.
        Raises TimestampError, LogUnavailableError."""
        note = await self._log.newest()
        if note is None:
            return min(RETRY_SECONDS, self._interval_seconds)
        last = await self._log.newest_timestamp(self._authority.url)
        if last is not None and (rest := self._rest_seconds(last)) > 0:
            self.stamped_size = last.size
            return rest
        text, _ = split_note(note)
        size = int(text.split("\n", 2)[1])
        if last is not None and last.size == size:
            return self._interval_seconds  # nothing new to vouch for
        stamp = await self._authority.stamp(text)
        await self._log.add_timestamp(TimestampRow(size, self._authority.url, text, stamp.token))
        self.stamped_size = size
        _log.info("checkpoint stamped", size=size, before=format_time(stamp.before_us))
        return self._interval_seconds

    def _rest_seconds(self, last: TimestampRow) -> float:
        """Until the next stamp is due; a token that says the future does not put it off."""
        try:
            answer = rfc3161_client.decode_timestamp_response(_granted(last.token))
            elapsed = self._clock.now_us() / 1e6 - answer.tst_info.gen_time.timestamp()
        except ValueError:
            return 0.0
        return self._interval_seconds - elapsed if elapsed >= 0 else 0.0


def open_timestamp_http() -> httpx.AsyncClient:
    """A client for authorities: the system's CAs, no redirects, nothing from the environment."""
    context = ssl.create_default_context()
    return httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False)


def _granted(token: bytes) -> bytes:
    """A TimeStampResp (RFC 3161 section 2.4.2) that grants the token: the library reads no other
    form."""
    body = _GRANTED + token
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    head = bytes([len(body)]) if len(body) < 0x80 else bytes([0x80 | len(length)]) + length
    return b"\x30" + head + body


def _words(error: StampRefusedError) -> str:
    """The library's words; OpenSSL's stack of errors cut to its last reason."""
    text = str(error)
    _, mark, reason = text.rpartition("Verify error: ")
    return (reason.partition('"')[0] if mark else text)[:120].strip().lower()
