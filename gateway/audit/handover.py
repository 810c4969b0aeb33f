"""Handing the log's key over: the entry that says so and the checkpoint that both keys sign are one
transaction, so that at no moment one stands without the other (docs/formats.md section 14)."""

import base64
import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.audit.errors import EntryRefusedError
from gateway.audit.groups import Group
from gateway.audit.proofs import ProofReader
from gateway.audit.tree import LogTree
from gateway.audit.turns import HANDED_OVER
from gateway.storage import journal_store, log_store
from gateway.storage.engine import Connection
from gateway.storage.log_store import EntryRow
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import parse_entry
from gateway.transparency.notes import Signer, Verifier
from gateway.wire.handovers import Handover


@dataclass(frozen=True, slots=True)
class SignedHandover:
    """The tree with the hand-over as its last entry, signed by both; `new` signs from now on."""

    tree: LogTree
    note: str
    new: Verifier


def is_handover(group: Group) -> bool:
    """Whether the group has a hand-over; it must be the last of it."""
    return any(draft.type == HANDED_OVER for draft in group.drafts)


def sign_handover(
    tree: LogTree, rows: Sequence[EntryRow], old: Signer, held: Iterable[Signer]
) -> SignedHandover:
    """The signed tree after `rows`, the last of which is the hand-over; raises EntryRefusedError
    where the key that it names is not `held` here, or is the old one, or where it is from another
    key than signs now: no verifier would follow that."""
    body = parse_entry(rows[-1].data).body
    if body.get("old") != old.vkey:
        raise EntryRefusedError(
            f"the log cannot be handed over from another key than has its turn, {old.vkey}"
        )
    vkey = body.get("new")
    new = next((signer for signer in held if signer.vkey == vkey), None)
    if new is None or new.vkey == old.vkey:
        raise EntryRefusedError("the log cannot be handed over to a key that is not held here")
    grown = copy.deepcopy(tree)
    for row in rows:
        grown.append(row.leaf_hash)
    checkpoint = sign_checkpoint(grown.size, grown.root(), old, [new])
    return SignedHandover(grown, checkpoint.note, new.verifier)


def read_handovers(connection: Connection, log: str) -> list[Handover]:
    """The stored hand-overs with their checkpoints and proofs; one whose checkpoint is not there is
    left out, since it proves nothing."""
    proofs = ProofReader(connection, log)
    found: list[Handover] = []
    for row in journal_store.read_typed(connection, log, HANDED_OVER):
        size = row.seq + 1
        note = log_store.read_note(connection, log, size)
        if row.data is None or note is None or size > proofs.size:
            continue
        path = tuple(step.hex() for step in proofs.inclusion(row.seq, size))
        found.append(Handover(base64.b64encode(row.data).decode(), note, path))
    return found
