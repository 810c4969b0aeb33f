"""Where a log is read from, by its address: what the stand-alone verifier can open, and what needs
the server's libraries besides."""

from pathlib import Path

from gateway.transparency.source import LogSource
from gateway.transparency.sqlite_source import SqliteSource


def open_source(address: str, log: str | None = None) -> LogSource:
    """The log at an address; raises SourceError that says why there is none. Close it after use."""
    return SqliteSource(Path(address), log)
