"""Deeds as entries, and the one who does them: what a person asks for, and what a gateway does once
somebody else has approved it (docs/formats.md section 15)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gateway import canonical
from gateway.audit.port import Removal
from gateway.changes.deed_port import DueEntries, DuePlan, Removals
from gateway.changes.deed_steps import holds_over
from gateway.changes.deed_subjects import (
    EntryPurge,
    Erasure,
    Handover,
    PayloadPurge,
    Release,
    describe_deed,
    describe_hold,
    month_key,
    parse_deed,
    parse_hold,
)
from gateway.changes.journal import JournalDraft, Records
from gateway.changes.people import Person, Reasons, change_fields
from gateway.changes.promotion import gateway_fields
from gateway.changes.state import DEEDS, WAITING, Change, Governance, Kind, Stage
from gateway.clock import Clock
from gateway.errors import ChangeRefusedError, ConflictError, GatewayError

Subject = Mapping[str, canonical.Value]


class KeyHandover(Protocol):
    """Makes the entry of a hand-over of the log's key."""

    async def hand_over(self, change: Change) -> JournalDraft | None:
        """The `key.handed-over` entry, or None where this gateway does not hold the new key: then
        another does it. Raises GatewayError."""


def standing_deed(state: Governance, kind: Kind, subject: Subject) -> Change | None:
    """The newest change for exactly this, unless it was rejected."""
    deed = parse_deed(kind, subject)
    for change in reversed(list(state.changes.values())):
        is_alive = change.kind is kind and change.stage is not Stage.REJECTED
        if is_alive and parse_deed(kind, change.subject) == deed:
            return change
    return None


def deed_drafts(
    state: Governance, person: Person, kind: Kind, subject: Subject, reasons: Reasons
) -> list[JournalDraft]:
    """Asks for a deed; nothing where the same person asked for the same already. Raises
    ConflictError where somebody else did; the fold refuses the rest."""
    deed = parse_deed(kind, subject)
    standing = standing_deed(state, kind, subject)
    if standing is not None and standing.stage in WAITING:
        if standing.author == person.uri:
            return []
        raise ConflictError(f"{standing.id} asks for the same and is {standing.stage}")
    body: dict[str, canonical.Value] = {
        "change": change_fields(person, f"{kind}.request", "", describe_deed(deed), reasons),
        "key": person.key,
        "kind": str(kind),
        "subject": dict(subject),
    }
    return [JournalDraft("change.staged", lambda seq: body)]


def standing_hold(state: Governance, person: Person, said: Subject) -> Change | None:
    """The live hold of this person over just the same."""
    for hold in state.holds:
        if state.changes[hold.id].author == person.uri and parse_hold(hold.id, said) == hold:
            return state.changes[hold.id]
    return None


def hold_drafts(
    state: Governance, person: Person, said: Subject, reasons: Reasons
) -> list[JournalDraft]:
    """A hold, at once; nothing where the same person holds the same already. Raises
    ChangeRefusedError."""
    if standing_hold(state, person, said) is not None:
        return []
    what = describe_hold(parse_hold("", said))
    body: dict[str, canonical.Value] = {
        **said,
        "change": change_fields(person, "hold.place", "", what, reasons),
        "key": person.key,
    }
    return [JournalDraft("hold.placed", lambda seq: body)]


def count_due(due: DuePlan, month_keys: Sequence[str]) -> int:
    """How many payloads these month keys seal; raises ChangeRefusedError unless all are due."""
    found = {one.key: one.payloads for one in due.months}
    if missing := sorted(set(month_keys) - found.keys()):
        raise ChangeRefusedError(f"{missing[0][:200]} is not due; look with `gateway audit purge`")
    return sum(found[key] for key in month_keys)


def due_range(due: DuePlan, first: int, last: int) -> DueEntries:
    """The due range that these entries lie in; raises ChangeRefusedError where there is none."""
    for one in due.entries:
        if one.first <= first and last <= one.last:
            return one
    raise ChangeRefusedError(
        f"entries {first} to {last} are not due (old enough, and in an archive); look with "
        "`gateway audit purge`"
    )


def month_keys_of(removals: Removals, origin: str, class_ids: Sequence[str]) -> dict[str, str]:
    """The id of the month key of each class that has a payload. Blocks. Raises StorageError."""
    found = removals.months_of(class_ids)
    return {class_id: month_key(origin, month) for class_id, month in found.items()}


class Deeds:
    """One process's doer. `actor` is this gateway's SPIFFE id."""

    def __init__(
        self,
        records: Records,
        removals: Removals,
        handover: KeyHandover,
        clock: Clock,
        actor: str,
    ) -> None:
        self._journal = records.journal
        self._origin = records.log.origin
        self._removals = removals
        self._handover = handover
        self._clock = clock
        self._actor = actor

    async def act(self, state: Governance) -> None:
        """Do what is approved and not held. One that cannot be done keeps no other from being done;
        after all, raises the first one's GatewayError."""
        failed: list[GatewayError] = []
        for change in state.changes.values():
            if change.kind in DEEDS and change.stage is Stage.APPROVED:
                try:
                    await self._do(state, change)
                except ChangeRefusedError as error:
                    failed.append(ChangeRefusedError(f"{change.id}: {error}"))
                except GatewayError as error:
                    failed.append(error)
        if failed:
            raise failed[0]

    async def _do(self, state: Governance, change: Change) -> None:
        if holds_over(state, change):
            return  # it waits; the queue says for what
        draft = await self._draft(change)
        if draft is None:
            return

        def decide(newest: Governance) -> Sequence[JournalDraft]:
            # What was counted holds for the journal that was seen: else the next tick counts again.
            return [draft] if newest.journal == state.journal else []

        await self._journal.append(self._actor, decide)

    async def _draft(self, change: Change) -> JournalDraft | None:
        match parse_deed(change.kind, change.subject):
            case PayloadPurge() as deed:
                return self._month_purge(change, deed, await self._due())
            case EntryPurge() as deed:
                due_range(await self._due(), deed.first, deed.last)
                await asyncio.to_thread(self._removals.verify_archived, deed.first, deed.last)
                kept = await asyncio.to_thread(self._removals.count_kept, deed.first, deed.last)
                said = {"first": deed.first, "last": deed.last, "kept": kept}
                removal = Removal(first=deed.first, last=deed.last)
                return self._entry("entries.purged", change, said, "", removal)
            case Erasure() as deed:
                return await self._erasure(change, deed)
            case Release() as deed:
                return self._entry("hold.released", change, {"hold": deed.hold}, "released")
            case Handover():
                return await self._handover.hand_over(change)

    def _month_purge(self, change: Change, deed: PayloadPurge, due: DuePlan) -> JournalDraft:
        count = count_due(due, deed.month_keys)
        said: dict[str, canonical.Value] = {"month_keys": [*deed.month_keys], "payloads": count}
        removal = Removal(month_keys=deed.month_keys)
        return self._entry("payloads.purged", change, said, "", removal)

    async def _erasure(self, change: Change, deed: Erasure) -> JournalDraft:
        found = await asyncio.to_thread(month_keys_of, self._removals, self._origin, deed.classes)
        if not set(found.values()) <= set(deed.months):
            raise ChangeRefusedError("payloads are of other months than was approved; reject it")
        said: dict[str, canonical.Value] = {"classes": [*deed.classes], "request": deed.request}
        return self._entry("payloads.erased", change, said, "", Removal(class_ids=deed.classes))

    async def _due(self) -> DuePlan:
        return await asyncio.to_thread(self._removals.due, self._clock.now_us())

    def _entry(
        self,
        type: str,
        change: Change,
        said: Mapping[str, Any],
        after: str,
        removal: Removal | None = None,
    ) -> JournalDraft:
        before = describe_deed(parse_deed(change.kind, change.subject))
        fields = gateway_fields(change, self._actor, f"{change.kind}.do", before, after)
        body: dict[str, canonical.Value] = {**said, "change": fields, "id": change.id}
        return JournalDraft(type, lambda seq: body, removal)
