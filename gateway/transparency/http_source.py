"""The log as a web server shows it: our own GET /tlog/, or any server of static files over an
exported folder (docs/formats.md section 13). The standard library alone."""

import http.client
import io
import ssl
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from gateway.transparency.errors import SourceError
from gateway.transparency.source import Opener
from gateway.transparency.tiles import TilePlace
from gateway.transparency.tree_source import Found, TreeSource

_OK = 200
_ABSENT = frozenset({404, 410})
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_CHUNK_BYTES = 65_536
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What reading from a server may cost: seconds without a byte, seconds for one file, attempts
    for one file with a pause between them that doubles, connections at once."""

    idle_seconds: float = 20.0
    file_seconds: float = 120.0
    attempts: int = 4
    pause_seconds: float = 0.25
    connections: int = 4


class _Again(Exception):  # noqa: N818 - a reason to try once more, never leaves here
    pass


class HttpSource(TreeSource):
    """One log behind an address: a `LogSource` over the checkpoint that the server showed first.
    Nothing that the server says is trusted; redirects are not followed."""

    def __init__(
        self,
        url: str,
        log: str | None = None,
        context: ssl.SSLContext | None = None,
        limits: HttpLimits | None = None,
    ) -> None:
        """`url` is the tree's prefix (`https://gateway.example:8443/tlog`). `context` carries the
        CA and the client certificate where the server asks for one. Raises SourceError."""
        self._open(url, context, limits or HttpLimits())
        try:
            super().__init__(self._url, log)
        except SourceError:
            self.close()
            raise

    @classmethod
    def at_checkpoint(cls, url: str, limits: HttpLimits, note: bytes) -> "HttpSource":
        """The same address as far as an earlier checkpoint of it reaches."""
        made = cls.__new__(cls)
        made._open(url, None, limits)
        TreeSource.__init__(made, made._url, None, note)
        return made

    def _open(self, url: str, context: ssl.SSLContext | None, limits: HttpLimits) -> None:
        self._url = url.rstrip("/")
        self._scheme, self._host, self._port, self._prefix = _split_url(self._url)
        self._context = context
        self._limits = limits
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(limits.connections, "tlog")

    def read(self, path: str, limit: int) -> bytes | None:
        """As TreeSource. A broken connection and an overloaded server are tried again."""
        pause = self._limits.pause_seconds
        for attempt in range(1, self._limits.attempts + 1):
            try:
                return self._get(path, limit)
            except _Again as reason:
                if attempt == self._limits.attempts:
                    raise SourceError(f"cannot read {self._url}/{path}: {reason}") from None
                time.sleep(pause)
                pause *= 2
        raise SourceError(f"cannot read {self._url}/{path}: no attempt is allowed")

    def find_each(
        self, groups: Iterable[tuple[TilePlace, ...]]
    ) -> Iterator[tuple[tuple[TilePlace, ...], tuple[Found | None, ...]]]:
        """As TreeSource, with the next few on their way meanwhile."""
        waiting: deque[tuple[tuple[TilePlace, ...], list[Future[Found | None]]]] = deque()
        try:
            for places in groups:
                waiting.append((places, [self._readers.submit(self.find, p) for p in places]))
                if len(waiting) > self._limits.connections:
                    yield _arrived(waiting.popleft())
            while waiting:
                yield _arrived(waiting.popleft())
        finally:
            for _places, futures in waiting:
                for future in futures:
                    future.cancel()

    def opener(self) -> "Opener | None":
        """As LogSource; None with a TLS context, which cannot go to another process."""
        if self._context is not None:
            return None
        return partial(HttpSource.at_checkpoint, self._url, self._limits, self.head.note)

    def close(self) -> None:
        """As LogSource."""
        self._readers.shutdown(cancel_futures=True)
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _get(self, path: str, limit: int) -> bytes | None:
        connection = self._connection()
        try:
            headers = {"Accept-Encoding": "gzip, identity", "User-Agent": "compliance-gateway"}
            connection.request("GET", f"{self._prefix}/{path}", headers=headers)
            response = connection.getresponse()
            data = self._read_body(response, limit)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            is_refusal = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
            if is_refusal:  # a certificate does not become good by asking again
                raise SourceError(f"cannot read {self._url}: {error}") from None
            raise _Again(str(error) or type(error).__name__) from None
        except SourceError:
            connection.close()
            raise
        if not response.isclosed():
            connection.close()  # more came than we take
        if response.status in _AGAIN:
            raise _Again(f"the server answers {response.status} {response.reason}")
        if response.status in _ABSENT:
            return None
        if response.status != _OK:
            raise SourceError(
                f"cannot read {self._url}/{path}: the server answers {response.status} "
                f"{response.reason}"
            )
        return _decode(data, response.getheader("Content-Encoding", "identity"), limit)

    def _read_body(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        limit += limit // 64 + 1_024  # hashes grow a little when they are compressed
        ends = time.monotonic() + self._limits.file_seconds
        body = io.BytesIO()
        while body.tell() <= limit:
            part = response.read(min(_CHUNK_BYTES, limit + 1 - body.tell()))
            if not part:
                if response.length:  # http.client gives a body that broke off as if it were whole
                    raise http.client.IncompleteRead(body.getvalue(), response.length)
                break
            body.write(part)
            if time.monotonic() > ends:
                raise SourceError(
                    f"cannot read {self._url}: one file takes longer than "
                    f"{self._limits.file_seconds:g} seconds"
                )
        return body.getvalue()

    def _connection(self) -> http.client.HTTPConnection:
        """This thread's own, kept alive between files."""
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None:
            seconds = self._limits.idle_seconds
            if self._scheme == "https":
                found = http.client.HTTPSConnection(
                    self._host,
                    self._port,
                    timeout=seconds,
                    context=self._context or ssl.create_default_context(),
                )
            else:
                found = http.client.HTTPConnection(self._host, self._port, timeout=seconds)
            self._local.connection = found
            with self._lock:
                self._connections.append(found)
        return found


def _arrived(
    asked: tuple[tuple[TilePlace, ...], list[Future[Found | None]]],
) -> tuple[tuple[TilePlace, ...], tuple[Found | None, ...]]:
    places, futures = asked
    return places, tuple(future.result() for future in futures)


def _split_url(url: str) -> tuple[str, str, int | None, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SourceError(f"{url!r} is not an address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(f"{url!r} is not an address: write https://host:port/prefix")
    if parts.username is not None or parts.query or parts.fragment:
        raise SourceError("an address of a log has no user, question mark or number sign")
    return parts.scheme, parts.hostname, port, parts.path


def _decode(data: bytes, encoding: str, limit: int) -> bytes:
    """The body without its compression, at most `limit` + 1 bytes of it."""
    if encoding.strip().lower() in ("", "identity"):
        return data[: limit + 1]
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        raise SourceError(f"the server sends the encoding {encoding[:40]!r}, which nobody asked")
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        plain = unpacker.decompress(data, limit + 1)
    except zlib.error:
        raise SourceError("the server sends what is not gzip as gzip") from None
    if len(plain) <= limit and not unpacker.eof:
        raise SourceError("the server sends gzip that breaks off")
    return plain
