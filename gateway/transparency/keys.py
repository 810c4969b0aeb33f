"""Whose turn it is to sign: the chain of a log's keys (docs/formats.md section 14).

Entry 0 names the first key. A `key.handed-over` at seq h offers the turn to a new one; it takes
over when the checkpoint of size h + 1 holds with the signatures of both.
"""

from collections.abc import Mapping, Sequence

from gateway.canonical import Value
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.errors import NoteError, UnsignedError
from gateway.transparency.notes import Verifier

HANDED_OVER = "key.handed-over"


class KeyChain:
    """The keys of one log as far as its entries and seals have been read. `given` are the
    auditor's; `has_vouched` when one of them signed a seal that holds."""

    def __init__(self, origin: str, given: Sequence[Verifier], *, keeps_seams: bool = True) -> None:
        """`keeps_seams`: the evidence has the checkpoints of hand-overs. Where it has the newest
        one alone, a key that the auditor gave takes over by its entry and its signature there."""
        self._keeps_seams = keeps_seams
        # Those handed over to since the turn began, one after the other, without their seams.
        self._promised: list[Verifier] = []
        self.given = tuple(given)
        self.has_vouched = False
        self.origin = origin
        # Until entry 0 has named the key: any that the auditor gave.
        self._turn = tuple(key for key in given if key.name == origin)
        self._past: list[Verifier] = []
        self._seam: tuple[int, Verifier] | None = None  # where the last hand-over was, and whose
        self._offer: tuple[int, Verifier] | None = None

    @property
    def vkeys(self) -> list[str]:
        """The chain so far, oldest first; empty when no entry and no seal has named a key."""
        named = self._turn if len(self._turn) == 1 else ()
        return [key.vkey for key in (*self._past, *named)]

    @property
    def turn_vkey(self) -> str | None:
        """The key whose turn it is, where it is known."""
        return self._turn[0].vkey if len(self._turn) == 1 else None

    @property
    def is_offered(self) -> bool:
        """Whether the turn may change at the next checkpoint."""
        return self._offer is not None

    def note_opening(self, body: Mapping[str, Value]) -> None:
        """Entry 0 of type `log.opened`."""
        first = self._parse(body.get("checkpoint_key"))
        if first is not None:
            self._turn = (first,)

    def note_handover(self, seq: int, body: Mapping[str, Value]) -> None:
        """A `key.handed-over` entry: an offer, no more, and none unless it comes from the key
        whose turn it is."""
        old, new = self._parse(body.get("old")), self._parse(body.get("new"))
        if old is None or new is None:
            return
        if old in self._turn:
            self._offer, self._promised = (seq, new), []
        elif self._promised[-1:] != [old]:
            return
        if not self._keeps_seams:
            self._promised.append(new)

    def open(self, note: str) -> Checkpoint:
        """The checkpoint of a note signed by the key whose turn it is at its size; raises
        NoteError, SignatureError, or UnsignedError (another key, or none)."""
        try:
            return _open_first(note, self._turn)
        except UnsignedError:
            if self._is_taken_over(note):
                return open_checkpoint(note, self._promised[-1])
            if self._seam is None:
                raise
        size, old = self._seam
        opened = open_checkpoint(note, old)
        if opened.size != size:
            raise UnsignedError("it is signed by a key whose turn is over")
        return opened

    def open_outside(self, note: str) -> Checkpoint:
        """The same, or by any key that the auditor trusts."""
        try:
            return self.open(note)
        except UnsignedError:
            return _open_first(note, self.given)

    def take_note(self, seal: Checkpoint) -> None:
        """A seal holds: the key that signed it vouches, and a hand-over is done where this is its
        seam."""
        if not self.has_vouched:
            self.has_vouched = any(is_signed(seal.note, key) for key in self.given)
        self.settle(seal.note)
        is_of_turn = (
            any(is_signed(seal.note, key) for key in self._turn) if self._promised else True
        )
        if not is_of_turn and self._is_taken_over(seal.note):
            self._past += [*self._turn, *self._promised[:-1]]
            self._turn, self._seam, self._offer = (self._promised[-1],), None, None
            self._promised = []
        if self._offer is None:
            return
        seq, new = self._offer
        if seal.size == seq + 1 and is_signed(seal.note, new):
            others = (key for key in self._turn if key != new)
            old = next((key for key in others if is_signed(seal.note, key)), None)
            if old is not None:
                self._past.append(old)
                self._turn, self._seam = (new,), (seal.size, old)
        if seal.size > seq:
            self._offer, self._promised = None, []

    def settle(self, note: str) -> None:
        """Without entry 0 the first checkpoint that holds says whose turn it is: of the auditor's
        keys those that signed it, so that one whose turn was over before signs nothing more."""
        if len(self._turn) > 1:
            signed = tuple(key for key in self._turn if is_signed(note, key))
            self._turn = signed or self._turn

    def as_value(self) -> dict[str, Value]:
        """The state, to be kept."""
        return {
            "turn": [key.vkey for key in self._turn],
            "past": [key.vkey for key in self._past],
            "seam": [self._seam[0], self._seam[1].vkey] if self._seam else None,
            "offer": [self._offer[0], self._offer[1].vkey] if self._offer else None,
            "promised": [key.vkey for key in self._promised],
            "has_vouched": self.has_vouched,
        }

    def restore(self, value: Mapping[str, Value]) -> None:
        """Take the state that `as_value` gave; raises NoteError, KeyError or TypeError."""
        self._turn = tuple(Verifier.from_vkey(text) for text in value["turn"])  # type: ignore[arg-type, union-attr]
        self._past = [Verifier.from_vkey(text) for text in value["past"]]  # type: ignore[arg-type, union-attr]
        self._seam, self._offer = _pair(value["seam"]), _pair(value["offer"])
        self._promised = [Verifier.from_vkey(text) for text in value["promised"]]  # type: ignore[arg-type, union-attr]
        self.has_vouched = value["has_vouched"] is True

    def _is_taken_over(self, note: str) -> bool:
        newest = self._promised[-1] if self._promised else None
        return newest is not None and newest in self.given and is_signed(note, newest)

    def _parse(self, text: Value) -> Verifier | None:
        if not isinstance(text, str):
            return None
        try:
            key = Verifier.from_vkey(text)
        except NoteError:
            return None
        return key if key.name == self.origin else None


def _open_first(note: str, keys: Sequence[Verifier]) -> Checkpoint:
    for key in keys:
        try:
            return open_checkpoint(note, key)
        except UnsignedError:
            continue
    raise UnsignedError("it is not signed by the key whose turn it was")


def is_signed(note: str, key: Verifier) -> bool:
    """Whether `key` signed the checkpoint."""
    try:
        open_checkpoint(note, key)
    except NoteError:
        return False
    return True


def _pair(value: Value) -> tuple[int, Verifier] | None:
    if not isinstance(value, list):
        return None
    seq, vkey = value
    return int(seq), Verifier.from_vkey(vkey)  # type: ignore[arg-type]
