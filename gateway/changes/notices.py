"""What people are told: that a change waits for one of them, that a rollout was halted, or that a
protected service is no longer seen."""

from dataclasses import dataclass

from gateway.changes.state import DEEDS, Alarm, Change, Governance, Kind, Stage
from gateway.changes.views import title_of, waits_for

WAITS = "change.waits"
HALTED = "rollout.halted"
UNSEEN = "service.unseen"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. `id` is the change's, or the row's of an alarm; nothing in it is secret that the
    queue's list is not."""

    type: str
    id: str
    title: str
    waits_for: str


def notices_between(before: Governance, after: Governance) -> list[Notice]:
    """What people are to be told of, by the difference of two states."""
    found = []
    for id, change in after.changes.items():
        earlier = before.changes.get(id)
        if not is_for_people(change) or (earlier is not None and is_same_wait(earlier, change)):
            continue
        kind = HALTED if change.stage is Stage.HALTED else WAITS
        title = f"{change.kind}: {title_of(change)}"
        found.append(Notice(kind, id, title, waits_for(after, change)))
    return found + [_of_alarm(one) for one in after.alarms if not _stood(before, one)]


def is_for_people(change: Change) -> bool:
    """Whether nothing goes on until a person acts."""
    match change.stage:
        case Stage.ASSESSED | Stage.HALTED | Stage.STANDING:
            return True
        case Stage.STAGED:
            return change.kind is Kind.EXCEPTION or change.kind in DEEDS
        case Stage.ROLLING:
            return change.approval is None and change.assessment is not None
    return False


def is_same_wait(earlier: Change, change: Change) -> bool:
    """Whether it waited for people already, as far along as it is."""
    return is_for_people(earlier) and earlier.stage is change.stage


def _stood(before: Governance, alarm: Alarm) -> bool:
    return any(one.is_about(alarm.kind, alarm.row) for one in before.alarms)


def _of_alarm(alarm: Alarm) -> Notice:
    since = "never seen" if alarm.last_seen is None else f"last seen on {alarm.last_seen}"
    title = f"{alarm.row} ({alarm.control}): an expected service is not seen, {since}"
    return Notice(UNSEEN, alarm.row, title, "an operator")
