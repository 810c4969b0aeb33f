"""uvicorn's HTTP protocol with the peer's certificate in the scope, and bounded request heads.

Released uvicorn does not fill the ASGI TLS extension, so this subclass does, from the transport's
`ssl_object`, once per connection. Keys of `scope["extensions"]["tls"]`, as the ASGI TLS extension
0.2 says: `server_cert` (None: not looked up), `client_cert_chain` (PEM; the leaf alone, as Python
3.11 gives no more), `client_cert_name` (RFC 4514), `client_cert_error` (always None: a bad one
fails the handshake), `tls_version`, `cipher_suite` (both as TLS numbers). Our additions:
`client_cert_der` (bytes) and `cipher` (the suite's name). The value is shared by the requests of a
connection: read it, never write it.
"""

import asyncio
import ssl
from asyncio import TimerHandle
from typing import Any, Final, cast

from cryptography import x509
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TLS_VERSIONS: Final = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_CIPHER_SUITES: Final = {  # RFC 8446 appendix B.4
    "TLS_AES_128_GCM_SHA256": 0x1301,
    "TLS_AES_256_GCM_SHA384": 0x1302,
    "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
    "TLS_AES_128_CCM_SHA256": 0x1304,
    "TLS_AES_128_CCM_8_SHA256": 0x1305,
}


class HeadTooLargeError(Exception):
    """A request's line and headers are past the limit; uvicorn answers 400 and closes."""


class TlsHttpProtocol(HttpToolsProtocol):
    """Give it to uvicorn as `http=`. Serves no WebSockets, so that nothing leaves this class."""

    head_timeout_seconds = 10.0
    max_head_bytes = 32 * 1024

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._tls: dict[str, Any] | None = None
        self._head_timer: TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._tls = describe_peer(transport.get_extra_info("ssl_object"))
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        headers = self.headers if self._in_head else None
        super().data_received(data)
        if self._in_head and headers is self.headers:
            # on_header sees whole headers only: one that never ends is counted here.
            self._head_bytes += len(data)
            if self._head_bytes > 2 * self.max_head_bytes and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
        # uvicorn takes its keep-alive timer away at any byte; bytes that begin no request, or end
        # one that has its answer, must not hold the connection for ever.
        if self._head_timer is None and self._is_idle() and not self.transport.is_closing():
            self._start_head_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        if self._head_timer is not None:
            self._start_head_timer()
        if self._tls is not None:
            self.scope["extensions"] = {"tls": cast("dict[object, object]", self._tls)}

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count_head(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_head_timer()
        super().on_headers_complete()

    def _should_upgrade_to_ws(self) -> bool:
        return False

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.max_head_bytes:
            raise HeadTooLargeError

    def _start_head_timer(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(self.head_timeout_seconds, self._end_slow_head)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_slow_head(self) -> None:
        self._head_timer = None
        if self._is_idle() and not self.transport.is_closing():
            self.transport.close()


def describe_peer(tls: ssl.SSLObject | None) -> dict[str, Any] | None:
    """The ASGI TLS extension's value for a connection; None when it is not a TLS one."""
    if tls is None:
        return None
    der = tls.getpeercert(binary_form=True)
    cipher = tls.cipher()
    suite = cipher[0] if cipher is not None else ""
    return {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(der)] if der else [],
        "client_cert_name": _name(der) if der else None,
        "client_cert_error": None,
        "tls_version": _TLS_VERSIONS.get(tls.version() or ""),
        "cipher_suite": _CIPHER_SUITES.get(suite),
        "cipher": suite,
        "client_cert_der": der,
    }


def _name(der: bytes) -> str | None:
    try:
        return x509.load_der_x509_certificate(der).subject.rfc4514_string()
    except ValueError:
        return None  # OpenSSL took it and our parser does not: TrustStore will refuse it
