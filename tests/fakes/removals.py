"""Removals on a real log, each with the journal entry that names it."""

from gateway import canonical
from gateway.audit.port import Appended, Draft, Removal
from gateway.audit.removals import ENTRIES_PURGED, ERASED, PURGED
from gateway.audit.sql_log import SqlLog
from tests.fakes.log import ACTOR


def entry_of(removal: Removal, prior: int) -> Draft:
    """The journal entry that says so, without what a real one cites."""
    body: dict[str, canonical.Value] = {"prior": None if prior < 0 else prior}
    if removal.class_ids:
        body["classes"] = list(removal.class_ids)
        return Draft(ERASED, ACTOR, canonical.encode(body))
    if removal.month_keys:
        body["month_keys"] = list(removal.month_keys)
        return Draft(PURGED, ACTOR, canonical.encode(body))
    body.update(first=removal.first, last=removal.last)
    return Draft(ENTRIES_PURGED, ACTOR, canonical.encode(body))


async def remove(log: SqlLog, removal: Removal) -> Appended:
    """Carry it out."""
    prior = (await log.heads()).journal
    (place,) = await log.append([entry_of(removal, prior)], after=prior, removal=removal)
    return place
