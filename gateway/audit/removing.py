"""Carrying removals out, inside the transaction of the entry that says so."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from gateway import canonical
from gateway.audit.errors import EntryRefusedError, LogBrokenError
from gateway.audit.history import History
from gateway.audit.port import Removal
from gateway.audit.removals import LawfulLosses, find_unlawful, removal_named_by
from gateway.audit.tree import TILE_WIDTH, TreeError
from gateway.errors import CanonicalError
from gateway.storage import log_store, removal_store
from gateway.storage.engine import Connection

# A request has at most 1,000 classes: entries of 48,000 bytes, one for the request, and these.
_GROUP_ENTRIES = 128


class _Committed(msgspec.Struct):
    month_key: str
    payloads: list[tuple[str, str]]


class _Commitment(msgspec.Struct):
    body: _Committed


_decode_commitment = msgspec.json.Decoder(_Commitment).decode


def find_refusal(
    connection: Connection, history: History, removal: Removal, month: str
) -> EntryRefusedError | None:
    """Why `removal` may not be carried out in `month` (`YYYY-MM`), None when it may. Entries leave
    only where their leaf hashes are in stored tiles that lead to the signed root, and are what the
    rows say: else nobody could tell afterwards what had been there."""
    last = log_store.read_last_checkpoint(connection, history.origin)
    signed_size = 0 if last is None else last.size
    why = find_unlawful(removal, history.origin, month, signed_size)
    if why is None and removal.first >= 0:
        why = _find_loss(connection, history, removal)
    return None if why is None else EntryRefusedError(f"nothing was removed: {why}")


def carry_out(connection: Connection, log: str, removals: Iterable[Removal]) -> None:
    """Delete what they name."""
    for removal in removals:
        removal_store.remove(connection, log, removal)


def read_losses(connection: Connection, log: str) -> LawfulLosses:
    """What the log's entries say has left it; they are believed as they stand."""
    losses = LawfulLosses()
    for row in removal_store.read_removing(connection, log):
        try:
            value = canonical.decode(row.data or b"")
        except CanonicalError:
            continue  # the verifier names it; it explains no loss
        body = value.get("body") if isinstance(value, dict) else None
        if isinstance(body, dict):
            losses.add(removal_named_by(row.type, body))
    return losses


def find_month_keys_of(
    connection: Connection, log: str, classes: Mapping[str, int]
) -> dict[str, str]:
    """The month keys that the payloads of these classes lay under, by what their groups committed
    to; `classes` gives the seq of each one's `evaluations` entry. Some may not be found."""
    found: dict[str, str] = {}
    known = sorted({seq for seq in classes.values() if seq >= 0})
    for first, last in _windows(known):
        for data in removal_store.read_commitments(connection, log, first, last):
            try:
                body = _decode_commitment(data).body
            except msgspec.MsgspecError:
                continue
            for class_id, _ in body.payloads:
                if class_id in classes:
                    found[class_id] = body.month_key
    return found


def _windows(seqs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ranges that hold the ends of the groups of these entries, without overlap."""
    start = end = -1
    for seq in seqs:
        if end >= 0 and seq > end:
            yield start, end
        if seq > end:
            start = seq
        end = seq + _GROUP_ENTRIES
    if end >= 0:
        yield start, end


def _find_loss(connection: Connection, history: History, removal: Removal) -> str | None:
    """Why the entries' hashes would be lost with them."""
    if log_store.read_count_mark(connection, history.origin) <= removal.last:
        return f"the verdicts of entries {removal.first} to {removal.last} are not counted yet"
    seq = removal.first
    try:
        signed = history.signed_leaves(connection)
        # Also the tiles of entries that have left already: all of the range must be there after.
        for seq in range(removal.first, removal.last + 1, TILE_WIDTH):
            signed.leaf(seq)
        losses = read_losses(connection, history.origin)
        rows = removal_store.read_leaves(connection, history.origin, removal.first, removal.last)
        row = next(rows, None)
        for seq in range(removal.first, removal.last + 1):
            if row is None or row[0] != seq:
                if not losses.is_purged(seq):
                    return f"entry {seq} is missing; run `gateway audit verify`"
                continue
            if row[1] != signed.leaf(seq):
                return f"entry {seq} is not the one that was signed; run `gateway audit verify`"
            row = next(rows, None)
    except (TreeError, TypeError, LogBrokenError) as error:
        return f"no checkpoint vouches for entry {seq}: {error}"
    return None
