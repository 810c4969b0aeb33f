"""The Log port in memory, with real entries and checkpoints and a switch that makes it fail."""

from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.audit.errors import EntryRefusedError, MovedError
from gateway.audit.journal import Journal, JournalHeads, JournalLinkError
from gateway.audit.port import Appended, Draft, Payload, Removal
from gateway.clock import Clock, ManualClock
from gateway.errors import CanonicalError, LogUnavailableError
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import GENESIS, Entry, encode_entry, leaf_hash, parse_entry
from gateway.transparency.errors import EntryError
from gateway.transparency.journal_types import JOURNAL_TYPES
from gateway.transparency.merkle import CompactRange
from gateway.transparency.notes import Signer

ORIGIN = "example.org/log"
ACTOR = "spiffe://example.org/gateway/test"


class MemoryLog:
    """Set `failing` to a reason and every append fails, with nothing of it standing. `entries`
    are the exact bytes; seq 0 is `log.opened`. `removals` are all that were carried out. Set
    `in_force` and fences are held against the activation number that it gives, where the policies
    of a test come from no journal."""

    def __init__(
        self, origin: str = ORIGIN, clock: Clock | None = None, signer: Signer | None = None
    ) -> None:
        self._clock = clock or ManualClock()
        self._signer = signer or Signer(origin, Ed25519PrivateKey.generate())
        self._tree = CompactRange()
        self._head = GENESIS
        self._journal = Journal()
        self.failing: str | None = None
        self.in_force: Callable[[], int] | None = None
        self.entries: list[bytes] = []
        self.payloads: dict[str, Payload] = {}
        self.removals: list[Removal] = []
        body = canonical.encode({"checkpoint_key": self._signer.vkey})
        self._write([Draft("log.opened", ACTOR, body)], [], None)

    @property
    def origin(self) -> str:
        return self._signer.name

    @property
    def verifier_key(self) -> str:
        """The vkey that checkpoints are signed with."""
        return self._signer.vkey

    async def append(
        self,
        drafts: Sequence[Draft],
        payloads: Sequence[Payload] = (),
        *,
        after: int | None = None,
        fence: int | None = None,
        removal: Removal | None = None,
    ) -> list[Appended]:
        if self.failing is not None:
            raise LogUnavailableError(self.failing)
        heads = self._journal.heads
        activation = heads.activation if self.in_force is None else self.in_force()
        if after not in (None, heads.journal) or fence not in (None, activation):
            raise MovedError(heads.journal, activation)
        try:
            places = self._write(drafts, payloads, after)
        except EntryRefusedError:
            self._journal.heads = heads
            raise
        if removal is not None:
            self._remove(removal)
        return places

    async def journal(self, start: int = 0) -> list[Entry]:
        if self.failing is not None:
            raise LogUnavailableError(self.failing)
        parsed = [parse_entry(data) for data in self.entries[start:]]
        return [entry for entry in parsed if entry.type in JOURNAL_TYPES]

    async def heads(self) -> JournalHeads:
        if self.failing is not None:
            raise LogUnavailableError(self.failing)
        return self._journal.heads

    def checkpoint(self) -> str | None:
        return sign_checkpoint(self._tree.size, self._tree.root(), self._signer).note

    def health(self) -> str | None:
        return self.failing

    def bodies(self, type: str) -> list[dict[str, canonical.Value]]:
        """The bodies of all entries of a type, in order."""
        found: list[dict[str, canonical.Value]] = []
        for data in self.entries:
            entry = canonical.decode(data)
            assert isinstance(entry, dict)
            body = entry["body"]
            if entry["type"] == type and isinstance(body, dict):
                found.append(body)
        return found

    def _remove(self, removal: Removal) -> None:
        """Month keys and entries are only noted: the fake's payloads have no month, and its proofs
        need every entry."""
        for class_id in removal.class_ids:
            self.payloads.pop(class_id, None)
        self.removals.append(removal)

    def _write(
        self, drafts: Sequence[Draft], payloads: Sequence[Payload], after: int | None
    ) -> list[Appended]:
        ids = [payload.class_id for payload in payloads]
        if len(set(ids)) < len(ids) or self.payloads.keys() & set(ids):
            raise EntryRefusedError("a class id has a payload already: draw a new salt")
        first, head = len(self.entries), self._head
        made: list[bytes] = []
        places: list[Appended] = []
        time_us = self._clock.now_us()
        for seq, draft in enumerate(drafts, start=first):
            body = draft.body(first) if callable(draft.body) else draft.body
            try:
                self._follow(seq, draft.type, body, after)
                data = encode_entry(self.origin, seq, head, time_us, draft.type, draft.actor, body)
            except (EntryError, CanonicalError, JournalLinkError) as error:
                raise EntryRefusedError(str(error)) from None
            head = leaf_hash(data)
            made.append(data)
            places.append(Appended(seq, head))
        self.entries += made
        self._head = head
        self._tree.extend(place.leaf_hash for place in places)
        self.payloads.update(zip(ids, payloads, strict=True))
        return places

    def _follow(self, seq: int, type: str, body: bytes, after: int | None) -> None:
        if type not in JOURNAL_TYPES:
            return
        if after is None:
            raise JournalLinkError("the group does not say which journal entry it comes after")
        value = canonical.decode(body)
        assert isinstance(value, dict)
        self._journal.follow(seq, type, value, must_link=True)
