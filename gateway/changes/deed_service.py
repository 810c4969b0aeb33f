"""Retention, holds and erasure as people ask for them: what is due, whom an erasure would touch,
and asking for it. Decided on the newest state; a command that is repeated happens once."""

import asyncio
from collections.abc import Mapping, Sequence

from gateway import canonical
from gateway.audit.port import Draft
from gateway.changes import deed_views, views
from gateway.changes.deed_port import Removals
from gateway.changes.deed_subjects import MAX_CLASSES, parse_month_key
from gateway.changes.deeds import (
    Subject,
    count_due,
    deed_drafts,
    due_range,
    hold_drafts,
    month_keys_of,
    standing_deed,
    standing_hold,
)
from gateway.changes.journal import Records
from gateway.changes.people import Person, parse_reasons, parse_text
from gateway.changes.state import DEEDS, Governance, Kind
from gateway.changes.views import View
from gateway.clock import Clock
from gateway.errors import ChangeRefusedError, InputError

OPENED_IN_A_GROUP = 20 * MAX_CLASSES


class DeedService:
    """The commands. Each raises InputError for what cannot be read, ChangeRefusedError for what may
    not be, ConflictError where others were first, StorageError, LogUnavailableError."""

    def __init__(self, records: Records, removals: Removals, clock: Clock) -> None:
        self._journal = records.journal
        self._log = records.log
        self._removals = removals
        self._clock = clock
        self._searching = asyncio.Lock()  # each opens every payload that there is

    async def ask(self, person: Person, kind: str, subject: Subject, justification: str) -> View:
        """A deed for somebody else to approve. `subject` is what a person knows: the gateway adds
        what approvers are to see (docs/formats.md section 12)."""
        reasons = parse_reasons(justification)
        if kind not in DEEDS:
            raise InputError(f"kind: one of {', '.join(sorted(DEEDS))}")
        deed_kind = Kind(kind)
        try:
            whole = await self._complete(deed_kind, subject)
            state = await self._journal.append(
                person.uri, lambda state: deed_drafts(state, person, deed_kind, whole, reasons)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"subject: it is not that of a {kind} ({error})") from None
        change = standing_deed(state, deed_kind, whole)
        if change is None:
            raise ChangeRefusedError("it was rejected meanwhile")
        return views.summary(state, change)

    async def place_hold(self, person: Person, said: Subject, justification: str) -> View:
        """A hold, at once. `said` has region, retention_class, from and to; empty text: any."""
        reasons = parse_reasons(justification)
        state = await self._journal.append(
            person.uri, lambda state: hold_drafts(state, person, said, reasons)
        )
        change = standing_hold(state, person, said)
        if change is None:
            raise ChangeRefusedError("the hold was released meanwhile")
        return views.summary(state, change)

    async def list_holds(self) -> View:
        """The live holds."""
        return deed_views.holds_view(await self._journal.refresh())

    async def list_due(self) -> View:
        """What retention lets go, and the holds that keep some of it."""
        due = await asyncio.to_thread(self._removals.due, self._clock.now_us())
        return deed_views.due_view(await self._journal.refresh(), due)

    async def match(self, person: Person, attributes: Mapping[str, str], request: str) -> View:
        """Whom an erasure would touch: every payload is opened, and each opening is an entry. The
        attributes are nowhere recorded: they say whom it is about."""
        if not attributes:
            raise InputError("attributes: name at least one, as process.owner")
        purpose = f"erasure request {parse_text(request, 'request')}"
        async with self._searching:
            class_ids = await asyncio.to_thread(self._removals.openable)
            await self._record_opening(person, class_ids, purpose)
            found = await asyncio.to_thread(self._match, class_ids, attributes)
        months = await asyncio.to_thread(month_keys_of, self._removals, self._log.origin, found)
        return _matched(await self._journal.refresh(), months)

    async def _complete(self, kind: Kind, subject: Subject) -> dict[str, canonical.Value]:
        """The subject with what only the gateway knows."""
        whole = dict(subject)
        if kind is Kind.ERASURE:
            classes = [str(one) for one in _list(subject, "classes")]
            whole["request"] = parse_text(str(subject["request"]), "request")
            months = await asyncio.to_thread(
                month_keys_of, self._removals, self._log.origin, classes
            )
            if missing := [one for one in classes if one not in months]:
                raise ChangeRefusedError(f"the log has no payload of class {missing[0][:48]}")
            whole["months"] = [*sorted(set(months.values()))]
        elif kind is Kind.PURGE:
            due = await asyncio.to_thread(self._removals.due, self._clock.now_us())
            if subject["what"] == "payloads":
                keys = [str(one) for one in _list(subject, "month_keys")]
                whole["payloads"] = count_due(due, keys)
            elif subject["what"] == "entries":
                span = due_range(due, _number(subject, "first"), _number(subject, "last"))
                whole.update({"from": span.from_month, "to": span.to_month})
        return whole

    async def _record_opening(self, person: Person, class_ids: Sequence[str], purpose: str) -> None:
        for start in range(0, len(class_ids), OPENED_IN_A_GROUP):
            group = class_ids[start : start + OPENED_IN_A_GROUP]
            bodies: list[dict[str, canonical.Value]] = [
                {"classes": [*group[at : at + MAX_CLASSES]], "purpose": purpose}
                for at in range(0, len(group), MAX_CLASSES)
            ]
            await self._log.append(
                [Draft("payload.opened", person.uri, canonical.encode(body)) for body in bodies]
            )

    def _match(self, class_ids: Sequence[str], attributes: Mapping[str, str]) -> list[str]:
        found: list[str] = []
        for at in range(0, len(class_ids), MAX_CLASSES):
            found += self._removals.match(class_ids[at : at + MAX_CLASSES], attributes)
        return found


def _matched(state: Governance, months: Mapping[str, str]) -> View:
    """Classes by month key, so that whoever asks in portions names few months in each."""
    keys = sorted(set(months.values()))
    kept = {
        key: [hold.id for hold in state.holds if hold.keeps(parse_month_key(key))] for key in keys
    }
    ordered = sorted(months, key=lambda class_id: (months[class_id], class_id))
    return {
        "classes": [[class_id, months[class_id]] for class_id in ordered],
        "months": [{"key": key, "kept_by": kept[key]} for key in keys],
    }


def _list(subject: Subject, name: str) -> Sequence[canonical.Value]:
    value = subject[name]
    if not isinstance(value, list | tuple):
        raise TypeError(f"{name} is no list")
    return value


def _number(subject: Subject, name: str) -> int:
    value = subject[name]
    if type(value) is not int:
        raise TypeError(f"{name} is no number")
    return value
