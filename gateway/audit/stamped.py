"""Timestamps as an auditor checks them: read out of a database without writing to it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cryptography import x509

from gateway.audit.timestamps import TimestampError, verify_token
from gateway.clock import format_time
from gateway.errors import ConfigError, VerificationError
from gateway.storage.cosigned_store import TimestampRow
from gateway.storage.stamped_store import read_stamped as read_from_server
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.errors import NoteError, SourceError
from gateway.transparency.notes import Verifier, split_note

_ROWS = (
    "SELECT t.size, t.authority, t.note_text, t.token, c.note FROM timestamps t "
    "LEFT JOIN checkpoints c ON c.log = t.log AND c.size = t.size WHERE t.log = ? "
    "ORDER BY t.size, t.authority"
)


@dataclass(frozen=True, slots=True)
class CheckedStamp:
    """One timestamp: the checkpoint of `size` existed before `before` (a time of ours), or
    `problem` says why nothing follows from it."""

    size: int
    authority: str
    before: str | None
    problem: str | None


def check_stamps(
    address: str,
    log: str | None,
    authorities: Sequence[x509.Certificate],
    verifier: Verifier | None,
) -> list[CheckedStamp]:
    """Every timestamp of the log in a SQLite file or behind a `postgresql://` address; raises
    SourceError when it cannot be read. Without `verifier` the checkpoints' signatures are not
    looked at."""
    if address.startswith("postgresql:"):
        try:
            rows = read_from_server(address, log or (verifier.name if verifier else None))
        except ConfigError as error:
            raise SourceError(str(error)) from None
    else:
        rows = _read_file(Path(address), log)
    return [_check(row, note, authorities, verifier) for row, note in rows]


def _check(
    row: TimestampRow,
    note: str | None,
    authorities: Sequence[x509.Certificate],
    verifier: Verifier | None,
) -> CheckedStamp:
    try:
        _verify_text(row, note, verifier)
        stamp = verify_token(row.token, row.note_text, authorities)
    except VerificationError as error:
        return CheckedStamp(row.size, row.authority, None, str(error))
    return CheckedStamp(row.size, row.authority, format_time(stamp.before_us), None)


def _verify_text(row: TimestampRow, note: str | None, verifier: Verifier | None) -> None:
    """Raises VerificationError unless what was stamped is the log's own checkpoint of that size."""
    if note is None:
        raise TimestampError("the log has no checkpoint of this size any more")
    if split_note(note)[0] != row.note_text:
        raise TimestampError("the log's checkpoint of this size is another one than was stamped")
    if row.note_text.split("\n")[1:2] != [str(row.size)]:
        raise NoteError("what was stamped is not the checkpoint of this size")
    if verifier is not None:
        open_checkpoint(note, verifier)


def _read_file(path: Path, log: str | None) -> list[tuple[TimestampRow, str | None]]:
    with _reading(path), closing(_connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT DISTINCT log FROM checkpoints")]
        if log is None and len(names) == 1:
            log = names[0]
        if log is None:
            raise SourceError(f"{path} holds {len(names)} logs: say which with --log")
        tables = "SELECT 1 FROM sqlite_master WHERE name = 'timestamps'"
        if connection.execute(tables).fetchone() is None:
            return []
        found = connection.execute(_ROWS, (log,)).fetchall()
        return [
            (TimestampRow(int(size), str(authority), str(text), bytes(token)), note)
            for size, authority, text, token, note in found
        ]


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise SourceError(f"{path} cannot be read as a log's database: {error}") from None
