"""What is the same of a log in a database, whichever database it is."""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Sequence

from gateway.transparency.closeable import Closeable
from gateway.transparency.errors import SourceError
from gateway.transparency.growth import TILE_WIDTH
from gateway.transparency.merkle import HASH_BYTES

# The place of a payload's month key, as payloads are grouped under it.
MONTH_KEY = " || '/' || ".join(
    f"payloads.{name}" for name in ("log", "region", "retention_class", "month")
)

_NAMED_LOGS = 5


class Database(Closeable):
    """The part of a `DatabaseSource` that asks each database the same."""

    def tail_problem(self) -> str | None:
        """None: whole groups are committed, so a crash leaves nothing torn."""
        return None

    def classes_held(self, class_ids: Collection[str]) -> set[str]:
        """As DatabaseSource."""
        return self.those_in("payloads", "class_id", class_ids) | self.those_in(
            "payload_keys", "class_id", class_ids
        )

    def months_held(self, month_keys: Collection[str]) -> set[str]:
        """As DatabaseSource."""
        return self.those_in("payloads", MONTH_KEY, month_keys) | self.those_in(
            "month_keys", "id", month_keys
        )

    @abstractmethod
    def those_in(self, table: str, column: str, values: Collection[str]) -> set[str]:
        """Which of `values` stand in a table's column, or where an expression of ours is that."""


def choose_log(place: object, logs: Sequence[str], log: str | None) -> str:
    """`log`, or the only one of the sorted `logs` that the database at `place` holds; raises
    SourceError when it holds none, not that one, or several and `log` is None."""
    names = ", ".join(map(repr, logs[:_NAMED_LOGS]))
    if not logs:
        raise SourceError(f"{place} holds no log: its tables are empty")
    if log is None and len(logs) > 1:
        raise SourceError(f"{place} holds several logs, say which with --log: {names}")
    if log is not None and log not in logs:
        raise SourceError(f"{place} holds no log {log!r}, but {names}")
    return log or logs[0]


def tiles_of(first: int, stop: int) -> tuple[int, int]:
    """The first and the last tile of level 0 that hold the leaf hashes of entries `first` to `stop`
    (exclusive, and greater)."""
    return first // TILE_WIDTH, (stop - 1) // TILE_WIDTH


def split_tiles(rows: Iterable[tuple[object, object]], first: int, stop: int) -> list[bytes]:
    """The leaf hashes of entries `first` to `stop` (exclusive) out of (index, joined hashes) of
    `tiles_of` them, in order, as far as these are whole."""
    found: list[bytes] = []
    index = first // TILE_WIDTH
    for idx, joined in rows:
        if idx != index or type(joined) is not bytes or len(joined) % HASH_BYTES:
            break
        found += [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
        index += 1
        if len(joined) != TILE_WIDTH * HASH_BYTES:
            break
    skipped = first % TILE_WIDTH
    return found[skipped : skipped + stop - first]
