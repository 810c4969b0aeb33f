"""A hand-over of a log's key, proven to somebody who knows the key before it: the entry, and the
checkpoint that both keys signed with that entry as its last (docs/formats.md section 14)."""

from collections.abc import Sequence

from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.entry import leaf_hash, parse_entry
from gateway.transparency.errors import NoteError, ProofError
from gateway.transparency.keys import HANDED_OVER, is_signed
from gateway.transparency.merkle import verify_inclusion
from gateway.transparency.notes import Verifier


def verify_handover(
    data: bytes, note: str, proof: Sequence[bytes], current: Verifier
) -> tuple[int, Verifier]:
    """The new key, once `current` is seen to have handed over to it, and the size of the checkpoint
    that both signed: smaller ones are the old key's, larger ones the new key's.

    `data` is the entry, `note` its checkpoint, `proof` the entry's audit path under it. Raises
    EntryError, NoteError or ProofError where something of it does not hold.
    """
    entry = parse_entry(data)
    checkpoint = open_checkpoint(note, current)
    if entry.type != HANDED_OVER or entry.origin != current.name:
        raise ProofError(f"entry {entry.seq} hands over no key of {current.name}")
    if entry.body.get("old") != current.vkey:
        raise ProofError(f"entry {entry.seq} hands over another key than {current.vkey}")
    new = Verifier.from_vkey(str(entry.body.get("new")))
    if new.name != current.name or not is_signed(note, new):
        raise NoteError("the checkpoint of the hand-over is not signed by the new key")
    if checkpoint.size != entry.seq + 1:
        raise ProofError(f"the checkpoint of the hand-over in entry {entry.seq} is of another size")
    verify_inclusion(leaf_hash(data), entry.seq, checkpoint.size, proof, checkpoint.root)
    return checkpoint.size, new
