"""Handing the log's key over: the entry that says so and the checkpoint that both keys sign are one
transaction, so that at no moment one stands without the other (docs/formats.md section 14)."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from gateway import canonical
from gateway.audit.errors import EntryRefusedError
from gateway.audit.groups import Group
from gateway.audit.tree import LogTree
from gateway.audit.turns import HANDED_OVER
from gateway.errors import CanonicalError
from gateway.storage.log_store import EntryRow
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.notes import Signer, Verifier


@dataclass(frozen=True, slots=True)
class SignedHandover:
    """The tree with the hand-over as its last entry, signed by both; `new` signs from now on."""

    tree: LogTree
    note: str
    new: Verifier


def find_new_key(group: Group) -> str | None:
    """The vkey that a group hands over to; None for a group that hands over nothing."""
    draft = group.drafts[-1] if group.drafts else None
    if draft is None or draft.type != HANDED_OVER or callable(draft.body):
        return None
    try:
        body = canonical.decode(draft.body)
    except CanonicalError:
        return ""
    new = body.get("new") if isinstance(body, dict) else None
    return new if isinstance(new, str) else ""


def sign_handover(
    tree: LogTree, rows: Sequence[EntryRow], old: Signer, new: Signer | None
) -> SignedHandover:
    """The signed tree after `rows`, the last of which is the hand-over; raises EntryRefusedError
    where the new key is not held here, or is the old one."""
    if new is None or new.vkey == old.vkey:
        raise EntryRefusedError("the log cannot be handed over to a key that is not held here")
    grown = copy.deepcopy(tree)
    for row in rows:
        grown.append(row.leaf_hash)
    checkpoint = sign_checkpoint(grown.size, grown.root(), old, [new])
    return SignedHandover(grown, checkpoint.note, new.verifier)
