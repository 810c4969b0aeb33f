"""Whose turn it is to sign the log (docs/formats.md section 14): by the stored hand-overs, believed
only where a key that this process was given stands at their end."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.audit.errors import LogBrokenError
from gateway.errors import ConfigError
from gateway.storage import journal_store, log_store
from gateway.storage.engine import Connection
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.entry import parse_entry
from gateway.transparency.errors import EntryError, NoteError, UnsignedError
from gateway.transparency.keys import is_signed
from gateway.transparency.notes import Verifier

HANDED_OVER = "key.handed-over"


@dataclass(frozen=True, slots=True)
class Turns:
    """The log's keys, oldest first, and the sizes at which each but the first took over: the
    checkpoint of that size is signed by the one before and by it."""

    keys: tuple[Verifier, ...]
    seams: tuple[int, ...] = ()

    @property
    def newest(self) -> Verifier:
        """Whose turn it is now."""
        return self.keys[-1]

    def handed_over(self, seam: int, new: Verifier) -> "Turns":
        """The turns after one more hand-over, with its checkpoint at size `seam`."""
        return Turns((*self.keys, new), (*self.seams, seam))

    def open(self, note: str, size: int) -> Checkpoint:
        """The checkpoint of a note whose row says `size`; raises NoteError unless the key signed it
        whose turn that was, and at a hand-over both."""
        at = sum(seam < size for seam in self.seams)
        checkpoint = open_checkpoint(note, self.keys[at])
        if size in self.seams and not is_signed(note, self.keys[at + 1]):
            raise UnsignedError("the checkpoint of a hand-over is not signed by both keys")
        return checkpoint


def read_turns(connection: Connection, log: str, held: Sequence[Verifier]) -> Turns:
    """The stored turns; raises ConfigError unless one of the keys `held` is the newest, and
    LogBrokenError when what is stored cannot be read. Of an empty log the first held key's turn."""
    first = next(iter(log_store.read_entries(connection, log, 0)), None)
    if first is None:
        return Turns((held[0],))
    opened = _key_of(log, first.data, "checkpoint_key")
    turns = Turns((held[0] if opened is None else opened,))
    for row in journal_store.read_typed(connection, log, HANDED_OVER):
        new = _key_of(log, row.data, "new")
        if new is None:
            raise LogBrokenError(
                f"entry {row.seq} of log {log}: it hands over to no key; run `gateway audit verify`"
            )
        turns = turns.handed_over(row.seq + 1, new)
    if turns.newest not in held:
        raise ConfigError(
            f"the checkpoints of log {log} were not signed by the configured key "
            f"{held[0].vkey}: the log says it is the turn of {turns.newest.vkey}; name its file in "
            "log.checkpoint_key"
        )
    return turns


def _key_of(log: str, data: object, member: str) -> Verifier | None:
    try:
        text = parse_entry(data if isinstance(data, bytes) else b"").body.get(member)
        key = Verifier.from_vkey(text if isinstance(text, str) else "")
    except (EntryError, NoteError):
        return None
    return key if key.name == log else None
