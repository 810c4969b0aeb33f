"""Where a log is read from, by its address: what the stand-alone verifier can open, and what needs
the server's libraries besides."""

from collections.abc import Mapping

from gateway.errors import ConfigError
from gateway.transparency import sources
from gateway.transparency.errors import SourceError
from gateway.transparency.source import LogSource
from gateway.transparency.sources import Adapter, TlsFiles


def open_source(address: str, log: str | None = None, tls: TlsFiles | None = None) -> LogSource:
    """The log at an address; raises SourceError that says why there is none. Close it after use."""
    return sources.open_source(address, log, ADAPTERS, tls)


def _open_postgresql(address: str, log: str | None) -> LogSource:
    from gateway.storage.errors import StorageError
    from gateway.storage.postgresql_source import PostgresSource

    try:
        return PostgresSource(address, log)
    except (ConfigError, StorageError) as error:
        raise SourceError(str(error)) from None


def _open_s3(address: str, log: str | None) -> LogSource:
    from gateway.archive.s3 import open_s3_archive
    from gateway.transparency.archive_source import ArchiveSource

    return ArchiveSource(open_s3_archive(address), log)


ADAPTERS: Mapping[str, Adapter] = {
    "postgresql": _open_postgresql,
    "postgres": _open_postgresql,
    "s3": _open_s3,
}
