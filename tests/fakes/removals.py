"""Removals on a real log, each with the journal entries of two people that it rests on."""

from gateway import canonical
from gateway.audit.port import Appended, Draft, Removal
from gateway.audit.removals import ENTRIES_PURGED, ERASED, PURGED
from gateway.audit.sql_log import SqlLog
from gateway.storage.engine import read_transaction
from gateway.storage.removal_store import count_kept
from tests.fakes.log import ACTOR, ORIGIN

_PEOPLE = {name: f"spiffe://example.org/{name}" for name in ("author/ann", "approver/bob")}


async def remove(log: SqlLog, removal: Removal, payloads: int = 0) -> Appended:
    """Have it asked for, approved and carried out; the place of the entry that says so. `payloads`:
    how many lie under the month keys."""
    kind, subject = _subject_of(removal, payloads)
    body: dict[str, canonical.Value] = {"kind": kind, "subject": subject}
    staged = await _note(log, "change.staged", body, "author/ann")
    id = f"c{staged.seq}"
    approved: dict[str, canonical.Value] = {"id": id, "bundle": "", "losses_hash": ""}
    await _note(log, "change.approved", approved, "approver/bob")
    return await carry_out(log, removal, id, payloads)


async def carry_out(log: SqlLog, removal: Removal, id: str, payloads: int = 0) -> Appended:
    """Carry it out with the entry that names it."""
    kind, named = named_by(removal, payloads)
    if kind == ENTRIES_PURGED:
        with read_transaction(log._engine) as connection:
            named["kept"] = count_kept(connection, ORIGIN, removal.first, removal.last)
    prior = (await log.heads()).journal
    body = {**named, "id": id, "change": _change(ACTOR), "prior": None if prior < 0 else prior}
    draft = Draft(kind, ACTOR, canonical.encode(body))
    (place,) = await log.append([draft], after=prior, removal=removal)
    return place


def named_by(removal: Removal, payloads: int = 0) -> tuple[str, dict[str, canonical.Value]]:
    """The type of the entry that names it, and what it says of it."""
    if removal.class_ids:
        return ERASED, {"classes": list(removal.class_ids), "request": "R-1"}
    if removal.month_keys:
        return PURGED, {"month_keys": list(removal.month_keys), "payloads": payloads}
    return ENTRIES_PURGED, {"first": removal.first, "last": removal.last}


def _subject_of(removal: Removal, payloads: int) -> tuple[str, dict[str, canonical.Value]]:
    kind, named = named_by(removal, payloads)
    if kind == ERASED:
        return "erasure", {**named, "months": [f"{ORIGIN}/eu-west-1/decisions/2026-01"]}
    if kind == PURGED:
        return "purge", {"what": "payloads", **named}
    return "purge", {"what": "entries", **named, "from": "2026-01", "to": "2026-01"}


async def _note(log: SqlLog, kind: str, body: dict[str, canonical.Value], person: str) -> Appended:
    prior = (await log.heads()).journal
    whole = {
        **body,
        "change": _change(_PEOPLE[person]),
        "key": person.encode().hex().ljust(64, "0"),
        "prior": None if prior < 0 else prior,
    }
    (place,) = await log.append(
        [Draft(kind, _PEOPLE[person], canonical.encode(whole))], after=prior
    )
    return place


def _change(user: str) -> dict[str, canonical.Value]:
    return {
        "user": user,
        "change_type": "removal",
        "previous_value": "",
        "new_value": "",
        "justification": "test",
        "approval_id": "A-1",
    }
