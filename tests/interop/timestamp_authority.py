"""A timestamp authority of OpenSSL's (`openssl ts`) behind a small HTTP server on 127.0.0.1."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.interop.programs import find, run, said

DAY = timedelta(days=1)
_SETTINGS = """\
[t]
serial = {folder}/serial
default_policy = 1.2.3.4.1
digests = sha256, sha512
signer_digest = sha256
accuracy = secs:2, millisecs:500
ess_cert_id_alg = sha256
"""

Key = ec.EllipticCurvePrivateKey
Change = Callable[[bytes], bytes]


@dataclass
class Authority:
    """One CA and one signing certificate in a folder. `change_query` and `change_reply` stand
    between the server and OpenSSL, for answers to other questions than were asked."""

    folder: Path
    change_query: Change = bytes
    change_reply: Change = bytes
    status: int = 200

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def reply(self, query: bytes) -> bytes:
        """OpenSSL's answer to a query, both DER."""
        openssl = find("openssl")
        assert openssl is not None, "install openssl"
        (self.folder / "query").write_bytes(self.change_query(query))
        done = run(
            openssl,
            *("ts", "-reply", "-config", self.folder / "settings", "-section", "t"),
            *("-queryfile", self.folder / "query", "-signer", self.folder / "tsa.pem"),
            *("-inkey", self.folder / "tsa.key", "-out", self.folder / "reply"),
        )
        assert done.returncode == 0, said(done)
        return self.change_reply((self.folder / "reply").read_bytes())


def make_authority(folder: Path, ends_in: timedelta = 10 * DAY) -> Authority:
    """A new CA, and a certificate of it that ends then, which may lie in the past."""
    folder.mkdir()
    ca, tsa = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("timestamp CA", ca, None, 20 * DAY)
    leaf = _certificate("timestamp authority", tsa, (root, ca), ends_in)
    (folder / "ca.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (folder / "tsa.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    pem = tsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "tsa.key").write_bytes(pem)
    (folder / "serial").write_text("01\n")
    (folder / "settings").write_text(_SETTINGS.format(folder=folder))
    return Authority(folder)


@contextmanager
def serve_authority(authority: Authority) -> Iterator[str]:
    """The authority's address while it serves."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            assert self.headers["content-type"] == "application/timestamp-query"
            reply = authority.reply(query)
            self.send_response(authority.status)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa"
        finally:
            server.shutdown()
            thread.join()


def _certificate(
    name: str,
    key: Key,
    issuer: tuple[x509.Certificate, Key] | None,
    ends_in: timedelta,
) -> x509.Certificate:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 20 * DAY)
        .not_valid_after(now + ends_in)
        .add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
    )
    if issuer is not None:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True
        )
    return builder.sign(key if issuer is None else issuer[1], hashes.SHA256())
