"""What may lawfully be gone: deeds that two people decided, as entries of the log say
(docs/formats.md sections 14 and 15)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.canonical import Value
from gateway.transparency.growth import TILE_WIDTH

STAGED, APPROVED, REJECTED = "change.staged", "change.approved", "change.rejected"
ENTRIES_PURGED, PAYLOADS_PURGED = "entries.purged", "payloads.purged"
PAYLOADS_ERASED = "payloads.erased"
DEEDS = frozenset({ENTRIES_PURGED, PAYLOADS_PURGED, PAYLOADS_ERASED})
TYPES = DEEDS | {STAGED, APPROVED, REJECTED}

_KIND_OF = {ENTRIES_PURGED: "purge", PAYLOADS_PURGED: "purge", PAYLOADS_ERASED: "erasure"}
_KINDS = frozenset(_KIND_OF.values())
# What a purge of entries leaves besides the journal's, which is a chain of its own.
KEPT_TYPES = frozenset({"key.created", "log.opened", "log.restored", "payloads.sealed"})
_MOST_GAPS = 50_000
_UNSAID = -1


@dataclass(slots=True)
class _Asked:
    """A change that waits: who asked for what, and whether a second person approved."""

    kind: str
    author: str
    key: str
    subject: Mapping[str, Any]
    is_approved: bool = False


@dataclass(slots=True)
class Removals:
    """Deeds and gaps, as far as the log has been read. `gaps` are ranges (first, last) whose
    entries are not there."""

    gaps: list[tuple[int, int]] = field(default_factory=list)
    # seq, first, last, and how many entries it left (see `note_kept`)
    ranges: list[tuple[int, int, int, int]] = field(default_factory=list)
    months: dict[str, int] = field(default_factory=dict)  # month key -> seq of the deed
    classes: dict[str, int] = field(default_factory=dict)  # class id -> seq of the deed
    purged_payloads: int = 0
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _kept: int = 0  # in tiles with gaps, before the one that is being read
    _tile: int = -1
    _tile_kept: int = 0
    _has_gap: bool = False

    def note(self, seq: int, type: str, body: Mapping[str, Any]) -> None:
        """Take one entry of `TYPES`; what has not the agreed form explains nothing."""
        try:
            if type == STAGED:
                self._stage(seq, body)
            elif type == APPROVED:
                self._approve(body)
            elif type == REJECTED:
                self._asked.pop(body["id"], None)
            else:
                self._do(seq, type, body)
        except (KeyError, TypeError, ValueError, AttributeError):
            return

    def note_kept(self, seq: int) -> None:
        """An entry of `KEPT_TYPES` is there."""
        self._go_to(seq // TILE_WIDTH)
        self._tile_kept += 1

    def lacks_kept(self, sealed: int) -> bool:
        """Whether, where something is gone, fewer entries of `KEPT_TYPES` are there than the deeds
        below `sealed` left; no where one of them does not say."""
        left = [kept for seq, _, _, kept in self.ranges if seq < sealed]
        there = self._kept + (self._tile_kept if self._has_gap else 0)
        return _UNSAID not in left and there < sum(left)

    def open_gap(self, first: int, last: int) -> None:
        """Entries `first` to `last` are not there."""
        for seq in (first, last):
            self._go_to(seq // TILE_WIDTH)
            self._has_gap = True
        if len(self.gaps) >= _MOST_GAPS:  # stricter: what stands between must be covered, too
            first = self.gaps.pop()[0]
        self.gaps.append((first, last))

    def is_in_gap(self, seq: int) -> bool:
        """Whether entry `seq` is one of those that are not there."""
        return any(first <= seq <= last for first, last in self.gaps)

    def find_unexplained_gap(self, sealed: int) -> tuple[int, int] | None:
        """The first gap that no deed below `sealed` covers."""
        covers = sorted((first, last) for seq, first, last, _ in self.ranges if seq < sealed)
        for first, last in self.gaps:
            at = first
            for start, end in covers:
                if start <= at <= end:
                    at = end + 1
            if at <= last:
                return at, last
        return None

    def is_month_purged(self, month_key: str, sealed: int) -> bool:
        """Whether a deed below `sealed` took this month's payloads."""
        return self.months.get(month_key, sealed) < sealed

    def is_erased(self, class_id: str, sealed: int) -> bool:
        """Whether a deed below `sealed` erased this payload."""
        return self.classes.get(class_id, sealed) < sealed

    def count_gone(self) -> int:
        """How many entries are in gaps."""
        return sum(last - first + 1 for first, last in self.gaps)

    def as_value(self) -> dict[str, Value]:
        """The state, to be kept."""
        return {
            "gaps": [list(gap) for gap in self.gaps],
            "ranges": [list(one) for one in self.ranges],
            "months": dict(self.months),
            "classes": dict(self.classes),
            "purged_payloads": self.purged_payloads,
            "kept": [self._kept, self._tile, self._tile_kept, int(self._has_gap)],
            "asked": {
                id: [one.kind, one.author, one.key, dict(one.subject), one.is_approved]
                for id, one in self._asked.items()
            },
        }

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take the state that `as_value` gave."""
        self.gaps = [(int(first), int(last)) for first, last in value["gaps"]]
        self.ranges = [(int(a), int(b), int(c), int(d)) for a, b, c, d in value["ranges"]]
        self._kept, self._tile, self._tile_kept = map(int, value["kept"][:3])
        self._has_gap = bool(value["kept"][3])
        self.months, self.classes = dict(value["months"]), dict(value["classes"])
        self.purged_payloads = int(value["purged_payloads"])
        self._asked = {id: _Asked(*one) for id, one in value["asked"].items()}

    def _go_to(self, tile: int) -> None:
        if tile != self._tile:
            self._kept += self._tile_kept if self._has_gap else 0
            self._tile, self._tile_kept, self._has_gap = tile, 0, False

    def _stage(self, seq: int, body: Mapping[str, Any]) -> None:
        if body["kind"] in _KINDS:
            author = body["change"]["user"]
            subject = dict(body["subject"])
            self._asked[f"c{seq}"] = _Asked(body["kind"], author, body["key"], subject)

    def _approve(self, body: Mapping[str, Any]) -> None:
        asked = self._asked.get(body["id"])
        if asked is not None:
            approver, key = body["change"]["user"], body["key"]
            asked.is_approved = (
                bool(approver and key)
                and key != asked.key
                and _name(approver) != _name(asked.author)
            )

    def _do(self, seq: int, type: str, body: Mapping[str, Any]) -> None:
        asked = self._asked.get(body["id"])
        if asked is None or not asked.is_approved or asked.kind != _KIND_OF[type]:
            return
        subject = asked.subject
        if type == ENTRIES_PURGED:
            first, last = body["first"], body["last"]
            is_same = (subject["what"], subject["first"], subject["last"]) == (
                *("entries", first),
                last,
            )
            if is_same and 0 <= first <= last < seq:
                kept = body.get("kept")
                said = kept if isinstance(kept, int) and kept >= 0 else _UNSAID
                self.ranges.append((seq, int(first), int(last), said))
        elif type == PAYLOADS_PURGED:
            if subject["what"] == "payloads" and set(body["month_keys"]) <= set(
                subject["month_keys"]
            ):
                self.months.update(dict.fromkeys(body["month_keys"], seq))
                self.purged_payloads += int(body["payloads"])
        elif set(body["classes"]) <= set(subject["classes"]):
            self.classes.update(dict.fromkeys(body["classes"], seq))
        del self._asked[body["id"]]  # a change is done once


def _name(spiffe_id: str) -> str:
    return spiffe_id.rsplit("/", 1)[-1]
