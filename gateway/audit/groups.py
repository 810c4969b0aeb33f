"""From groups of drafts to the entries of one transaction, without storage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gateway import canonical
from gateway.audit.counts import COUNTED_TYPE
from gateway.audit.errors import EntryRefusedError, MovedError
from gateway.audit.journal import Journal, JournalHeads, JournalLinkError
from gateway.audit.port import Appended, Draft, Payload, Removal
from gateway.audit.removals import is_named, removal_named_by
from gateway.errors import CanonicalError, LogUnavailableError
from gateway.storage.journal_store import MarkedRow
from gateway.storage.log_store import EntryRow
from gateway.transparency.entry import encode_entry, leaf_hash
from gateway.transparency.errors import EntryError
from gateway.transparency.journal_types import JOURNAL_TYPES


@dataclass(frozen=True, slots=True)
class Group:
    """What one caller appends: all of it or nothing, gapless. `after`, `fence` and `removal` as in
    `Log.append`."""

    drafts: Sequence[Draft]
    payloads: Sequence[Payload] = ()
    after: int | None = None
    fence: int | None = None
    removal: Removal | None = None


Refusal: TypeAlias = LogUnavailableError | MovedError
Outcome: TypeAlias = list[Appended] | Refusal


class EntryBatch:
    """One transaction's rows, and what each group is told once they are durable. Groups are taken
    in order; one that is refused takes no place."""

    def __init__(
        self,
        log: str,
        time_us: int,
        size: int,
        head: bytes,
        journal: JournalHeads,
        mark: Callable[[int, bytes], bytes],
    ) -> None:
        """`mark(seq, leaf hash)` is what a journal row carries."""
        self._mark = mark
        self._log = log
        self._time_us = time_us
        self._seq = size
        self._prev = head
        self._journal = Journal(journal)
        self.rows: list[EntryRow] = []
        self.journal_rows: list[MarkedRow] = []
        self.decisions: list[tuple[int, bytes]] = []
        self.removals: list[Removal] = []
        self.outcomes: list[Outcome] = []

    @property
    def heads(self) -> JournalHeads:
        """Where the journal is after the groups taken so far."""
        return self._journal.heads

    def add(
        self, group: Group, error: Refusal | None = None, commitments: Sequence[Draft] = ()
    ) -> None:
        """Take the next group; with an `error`, refuse it for that. `commitments` become its last
        entries, of which its caller is told nothing."""
        heads = self.heads
        made = error or _find_move(group, heads) or self._encode(group, commitments)
        if not isinstance(made, list):
            self._journal.heads = heads
            self.outcomes.append(made)
            return
        own = made[: len(group.drafts)]
        self.outcomes.append([Appended(row.seq, row.leaf_hash) for row in own])
        self.rows.extend(made)
        if group.removal is not None:
            self.removals.append(group.removal)
        for draft, row in zip(group.drafts, own, strict=True):
            if draft.type == COUNTED_TYPE:
                self.decisions.append((row.seq, row.data))
            elif draft.type in JOURNAL_TYPES:
                self.journal_rows.append(
                    MarkedRow(row.seq, draft.type, self._mark(row.seq, row.leaf_hash))
                )
        if made:
            self._seq, self._prev = made[-1].seq + 1, made[-1].leaf_hash

    def _encode(
        self, group: Group, commitments: Sequence[Draft]
    ) -> list[EntryRow] | EntryRefusedError:
        rows: list[EntryRow] = []
        named: list[Removal] = []
        first, prev = self._seq, self._prev
        for seq, draft in enumerate((*group.drafts, *commitments), start=first):
            kind = draft.type
            try:
                body = draft.body(first) if callable(draft.body) else draft.body
                if kind in JOURNAL_TYPES:
                    named.append(self._follow(group, seq, kind, body))
                data = encode_entry(self._log, seq, prev, self._time_us, kind, draft.actor, body)
            except (EntryError, CanonicalError, JournalLinkError) as error:
                return EntryRefusedError(f"a {kind} entry cannot be written: {error}")
            except Exception as error:  # noqa: BLE001 - a caller's function fails its own group
                return EntryRefusedError(
                    f"a {kind} entry has no body: {type(error).__name__}: {error}"
                )
            prev = leaf_hash(data)
            rows.append(EntryRow(seq, data, prev))
        if group.removal is not None and not is_named(group.removal, named):
            return EntryRefusedError("its entries do not name all that it removes")
        return rows

    def _follow(self, group: Group, seq: int, type: str, body: bytes) -> Removal:
        """Take a journal entry, and say what it names as removed."""
        if group.after is None:
            raise JournalLinkError("the group does not say which journal entry it comes after")
        value = canonical.decode(body)
        if not isinstance(value, dict):
            raise JournalLinkError("its body is no object")
        self._journal.follow(seq, type, value, must_link=True)
        return removal_named_by(type, value)


def _find_move(group: Group, heads: JournalHeads) -> MovedError | None:
    is_after = group.after is None or group.after == heads.journal
    is_fenced = group.fence is None or group.fence == heads.activation
    return None if is_after and is_fenced else MovedError(*heads)
