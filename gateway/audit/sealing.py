"""What is stored beside the log for the groups of one transaction: each group's sealed payloads,
and the entries that commit to their bytes (docs/formats.md section 9, `payloads.sealed`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import TypeAlias

import msgspec

from gateway import canonical
from gateway.audit.errors import EntryRefusedError
from gateway.audit.groups import Group
from gateway.audit.payloads import PayloadVault, SealedBatch
from gateway.audit.port import Draft
from gateway.errors import KeyServiceError, LogUnavailableError
from gateway.storage import payload_store
from gateway.storage.engine import Connection
from gateway.storage.payload_store import PayloadRow
from gateway.storage.removal_store import SEALED_TYPE

MAX_COMMITTED = 400  # of 120 bytes each: an entry has at most 65,535

# Canonical as it is, since the vault lets no class id through that JSON would escape; and fast.
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class SealedGroup:
    """One group's payloads, ready to be stored, and the drafts that commit to them."""

    rows: Sequence[PayloadRow] = ()
    drafts: Sequence[Draft] = ()


Sealed: TypeAlias = SealedGroup | LogUnavailableError
_NOTHING = SealedGroup()


def seal_group(vault: PayloadVault, batch: SealedBatch, group: Group, actor: str) -> Sealed:
    """Before the transaction, as the key service may be slow; the error that the group is refused
    with where its payloads cannot be sealed. Raises StorageError."""
    if not group.payloads:
        return _NOTHING
    try:
        rows = vault.seal(batch, group.payloads)
    except KeyServiceError as error:
        return LogUnavailableError(f"a payload cannot be sealed: {error}")
    except EntryRefusedError as error:
        return error
    return SealedGroup(rows, [Draft(SEALED_TYPE, actor, body) for body in commitments(rows)])


def commitments(rows: Sequence[PayloadRow]) -> Iterator[bytes]:
    """The bodies of `payloads.sealed` entries over these rows: of one month key each."""
    ordered = sorted(rows, key=_month_key)  # stable: few entries, whatever the order of regions
    for month_key, of_key in groupby(ordered, _month_key):
        pairs = [(row.class_id, sha256(row.sealed).hexdigest()) for row in of_key]
        for at in range(0, len(pairs), MAX_COMMITTED):
            part = _encode(pairs[at : at + MAX_COMMITTED])
            yield b'{"month_key":%b,"payloads":%b}' % (canonical.encode(month_key), part)


def _month_key(row: PayloadRow) -> str:
    return row.month_key


def find_refusals(
    connection: Connection, sealed: Sequence[Sealed]
) -> list[LogUnavailableError | None]:
    """An error for each group whose payloads could not be sealed or whose class ids are taken (in
    the log or by a group before it): overwriting would lose or revive a payload."""
    wanted = [row.class_id for one in sealed if isinstance(one, SealedGroup) for row in one.rows]
    taken = payload_store.find_payloads(connection, wanted) if wanted else set()
    refused: list[LogUnavailableError | None] = []
    for one in sealed:
        if isinstance(one, LogUnavailableError):
            refused.append(one)
            continue
        ids = [row.class_id for row in one.rows]
        if taken.intersection(ids) or len(set(ids)) < len(ids):
            refused.append(EntryRefusedError("a class id has a payload already: draw a new salt"))
            continue
        taken.update(ids)
        refused.append(None)
    return refused
