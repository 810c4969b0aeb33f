"""What a database keeps beside its log, held against the entries while they are read: stored edges,
the journal's index, payloads. Only the first thing that does not hold is kept, and it counts when
the entries themselves hold."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.canonical import Value
from gateway.transparency.finding import Finding
from gateway.transparency.removals import Removals
from gateway.transparency.source import DatabaseSource
from gateway.transparency.verdict import Word

_MOST_UNEXPLAINED = 200_000  # class ids kept; past them, numbers of each month


class StoredEdges:
    """The right edge stored with each checkpoint."""

    def __init__(self, rows: Iterator[tuple[object, object]]) -> None:
        self._rows = rows
        self._row = next(rows, None)
        self.problem: Finding | None = None

    def skip(self, size: int) -> None:
        """Rows of at most `size` were compared earlier."""
        while self._row is not None and type(self._row[0]) is int and self._row[0] <= size:
            self._row = next(self._rows, None)

    def take(self, size: int, edge: bytes) -> None:
        """A stored checkpoint of `size` holds, over a tree with this edge."""
        while self._row is not None and type(self._row[0]) is int and self._row[0] < size:
            self._row = next(self._rows, None)
        if self._row is None or self._row[0] != size:
            return  # an outside one, or named already: the seals meet every row
        if self._row[1] != edge and self.problem is None:
            sentence = (
                f"The right edge stored with the checkpoint of {size} entries is not the tree's; "
                "the entries and the checkpoint hold."
            )
            self.problem = Finding(Word.TAMPERED, None, sentence)
        self._row = next(self._rows, None)


class JournalIndex:
    """The journal's rows: one for each journal entry, of its type, and none for any other."""

    def __init__(self, rows: Iterator[tuple[object, object]]) -> None:
        self._rows = rows
        self._row = next(rows, None)
        self.problem: Finding | None = None

    def skip(self, seq: int) -> None:
        """Rows before `seq` were compared earlier."""
        while self._row is not None and type(self._row[0]) is int and self._row[0] < seq:
            self._row = next(self._rows, None)

    def take(self, seq: int, type_: str) -> None:
        """The next journal entry."""
        while self._row is not None and not (type(self._row[0]) is int and self._row[0] >= seq):
            self._refuse_extra()
        if self._row is None or self._row[0] != seq:
            self._refuse(seq, f"Journal entry {seq} ({type_}) has no row in the journal's index.")
            return
        if self._row[1] != type_:
            self._refuse(
                seq, f"Entry {seq} is {type_}, and its row in the journal's index is another's."
            )
        self._row = next(self._rows, None)

    def finish(self) -> None:
        """All entries were read."""
        while self._row is not None and self.problem is None:
            self._refuse_extra()

    def _refuse_extra(self) -> None:
        seq = self._row[0] if self._row else None
        place = seq if type(seq) is int else None
        self._refuse(place, f"The journal's index has a row {seq!r} and the log no such entry.")
        self._row = next(self._rows, None)

    def _refuse(self, seq: int | None, sentence: str) -> None:
        self.problem = self.problem or Finding(Word.TAMPERED, seq, sentence)


class Payloads:
    """The sealed payloads, as `payloads.sealed` entries name them."""

    def __init__(self, source: DatabaseSource) -> None:
        self._source = source
        self.named = 0  # by entries
        self._found = 0  # rows
        self._unnamed = 0  # evaluated before entries named payloads
        self._is_fresh = True
        # Without row or key, by month key: class id -> entry that names it; and how many more.
        self._gone: dict[str, dict[str, int]] = {}
        self._more_gone: dict[str, int] = {}
        self._kept = 0
        self._restored: list[tuple[int, int, int]] = []  # seq, first and last recovered entry
        self.lost = 0  # in a disaster, as entries say
        self.problem: Finding | None = None

    def note_restored(self, seq: int, body: Mapping[str, Any]) -> None:
        """A `log.restored` entry: what was recovered came from an archive, which has no payload."""
        try:
            first, last = int(body["recovered"]["first"]), int(body["recovered"]["last"])
        except (KeyError, TypeError, ValueError):
            return
        self._restored.append((seq, first, min(last, seq - 1)))

    def note_evaluations(self, count: int) -> None:
        """An entry evaluated so many classes, each with its payload."""
        self._unnamed += count

    def take(self, seq: int, body: Mapping[str, Any]) -> None:
        """A `payloads.sealed` entry."""
        try:
            month_key = str(body.get("month_key", ""))
            wanted = {str(class_id): str(digest) for class_id, digest in body["payloads"]}
        except (KeyError, TypeError, ValueError):
            self._refuse(seq, f"Entry {seq} does not say which payloads were sealed.")
            return
        self.named += len(wanted)
        self._unnamed -= len(wanted)
        stored = self._source.payloads(wanted)
        for class_id, digest in wanted.items():
            row = stored.get(class_id)
            is_row = row is not None and row.sealed_sha256 is not None
            self._found += is_row
            if row is not None and row.sealed_sha256 is not None:
                places = {row.place, row.month_key} if row.has_key else {row.place}
                if row.sealed_sha256.hex() != digest or (month_key and places != {month_key}):
                    self._refuse(
                        seq, f"The payload of class {class_id[:64]} is not the one that was sealed."
                    )
            if row is None or not (is_row and row.has_key and row.has_month_key):
                self._note_gone(month_key, class_id, seq)

    def finish(self, removals: Removals, sealed: int) -> None:
        """All entries were read: what is gone must have been taken by deeds below `sealed`."""
        if self.problem is not None:
            return
        for month_key, classes in self._gone.items():
            if removals.is_month_purged(month_key, sealed):
                continue
            for class_id, seq in classes.items():
                if self._is_lost(seq, sealed):
                    self.lost += 1
                elif not removals.is_erased(class_id, sealed):
                    sentence = (
                        f"The payload of class {class_id[:64]} (sealed by entry {seq}) is gone, "
                        "and no approved deed under a checkpoint says so."
                        f"{_hint(removals.classes.get(class_id, removals.months.get(month_key)))}"
                    )
                    self.problem = Finding(Word.MISSING, seq, sentence)
                    return
            if self._more_gone.get(month_key, 0) > len(removals.classes) and not self._restored:
                sentence = f"Payloads of {month_key[:200]} are gone, and no deed says so."
                self.problem = Finding(Word.MISSING, None, sentence)
                return
        self._finish_erased(removals, sealed)
        self._finish_purged(removals, sealed)
        self._finish_count(removals)

    def as_value(self) -> dict[str, Value]:
        """The state, to be kept."""
        return {
            "named": self.named,
            "unnamed": self._unnamed,
            "gone": {month: dict(classes) for month, classes in self._gone.items()},
            "more_gone": dict(self._more_gone),
            "restored": [list(one) for one in self._restored],
        }

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take the state that `as_value` gave."""
        self.named, self._unnamed = int(value["named"]), int(value["unnamed"])
        self._gone = {month: dict(classes) for month, classes in value["gone"].items()}
        self._more_gone = dict(value["more_gone"])
        self._restored = [(int(a), int(b), int(c)) for a, b, c in value["restored"]]
        self._kept = sum(map(len, self._gone.values()))
        self._is_fresh = False

    def _is_lost(self, named_by: int, sealed: int) -> bool:
        """Whether a sealed entry says that the payloads of that entry were lost."""
        return any(
            seq < sealed and first <= named_by <= last for seq, first, last in self._restored
        )

    def _note_gone(self, month_key: str, class_id: str, seq: int) -> None:
        classes = self._gone.setdefault(month_key, {})
        if self._kept < _MOST_UNEXPLAINED:
            classes[class_id] = seq
            self._kept += 1
        else:
            self._more_gone[month_key] = self._more_gone.get(month_key, 0) + 1

    def _finish_erased(self, removals: Removals, sealed: int) -> None:
        erased = [class_id for class_id in removals.classes if removals.is_erased(class_id, sealed)]
        for class_id in sorted(self._source.classes_held(erased)):
            seq = removals.classes[class_id]
            sentence = (
                f"The payload of class {class_id[:64]} was erased, as entry {seq} says, and it or "
                "its key is there again."
            )
            self._refuse(seq, sentence)
            return

    def _finish_purged(self, removals: Removals, sealed: int) -> None:
        purged = [key for key in removals.months if removals.is_month_purged(key, sealed)]
        for key in sorted(self._source.months_held(purged)):
            seq = removals.months[key]
            sentence = (
                f"The payloads under month key {key[:200]} were purged, as entry {seq} says, and "
                "some or their key are there again."
            )
            self._refuse(seq, sentence)
            return

    def _finish_count(self, removals: Removals) -> None:
        """Neither more rows than entries name, nor fewer than deeds leave."""
        if not self.named or self.problem is not None:
            return  # a log from before entries named payloads
        count, slack = self._source.count_payloads(), max(self._unnamed, 0)
        most = (self._found if self._is_fresh else self.named) + slack
        least = self.named - len(removals.classes) - removals.purged_payloads - self.lost
        if removals.gaps:  # evaluations that were purged may have had payloads that nobody named
            most = max(most, count)
        if count > most:
            self._refuse(None, f"There are {count} payloads, and entries name {most} of them.")
        elif count < least:
            sentence = f"There are {count} payloads, and there must be {least}."
            self.problem = Finding(Word.MISSING, None, sentence)

    def _refuse(self, seq: int | None, sentence: str) -> None:
        self.problem = self.problem or Finding(Word.TAMPERED, seq, sentence)


def _hint(seq: int | None) -> str:
    if seq is None:
        return ""
    return f" Entry {seq} does, and no checkpoint covers it: verify again when one was signed."
