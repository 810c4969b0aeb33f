"""Which source reads an address: the one place where that is decided."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from gateway.transparency.errors import SourceError
from gateway.transparency.source import LogSource
from gateway.transparency.sqlite_source import SqliteSource

Adapter: TypeAlias = Callable[[str, str | None], LogSource]
"""Opens an address as the log named, or the only one; raises SourceError."""

_WEB = ("http", "https")
_KNOWN = ("postgresql", "s3")  # to installations with the server's packages


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a server asks for: whose CA it is under, and who asks."""

    ca: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None


def open_source(
    address: str,
    log: str | None = None,
    adapters: Mapping[str, Adapter] | None = None,
    tls: TlsFiles | None = None,
) -> LogSource:
    """The log at `address`: the path of a SQLite database, of an exported folder or of an archive's
    folder, an http(s) address of a tree, or one whose scheme `adapters` know. `log` says which,
    where there are several. Raises SourceError."""
    scheme, separator, _ = address.partition("://")
    if separator:
        return _open_address(address, scheme.lower(), log, adapters or {}, tls or TlsFiles())
    path = Path(address)
    if not path.is_dir():
        return SqliteSource(path, log)
    if (path / "checkpoint").is_file():
        from gateway.transparency.folder_source import FolderSource

        return FolderSource(path, log)
    from gateway.transparency.archive_source import is_folder_archive, open_folder_archive

    if is_folder_archive(path):
        return open_folder_archive(path, log)
    raise SourceError(
        f"{address} is a folder, but no exported log (it has no file 'checkpoint') and no archive "
        "(no 'log.json')"
    )


def _open_address(
    address: str,
    scheme: str,
    log: str | None,
    adapters: Mapping[str, Adapter],
    tls: TlsFiles,
) -> LogSource:
    if scheme in _WEB:
        from gateway.transparency.http_source import HttpSource

        return HttpSource(address, log, _make_context(tls) if scheme == "https" else None)
    adapter = adapters.get(scheme)
    if adapter is not None:
        return adapter(address, log)
    if scheme in _KNOWN:
        raise SourceError(
            f"a log at {scheme}:// is read by `gateway audit verify`, of an installation with the "
            "server's packages; here give a file, a folder or an http(s) address"
        )
    raise SourceError(
        f"no log is read from {scheme[:20]}://: give a SQLite file, a folder, or an address that "
        "begins with http://, https://, postgresql:// or s3://"
    )


def _make_context(tls: TlsFiles) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.private_key)
    except (OSError, ValueError) as error:
        raise SourceError(f"the files for TLS cannot be used: {error}") from None
    return context
