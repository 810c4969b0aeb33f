"""The steps of alarms: each stands once, from its raising to its end."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.changes.records import Record, refuse_unless, text_of
from gateway.changes.state import Alarm, Governance

RAISED = "alarm.raised"
ENDED = "alarm.ended"


def alarm_raised(state: Governance, record: Record) -> Governance:
    body = record.body
    alarm = Alarm(text_of(body, "kind"), text_of(body, "row"), text_of(body, "control"), _day(body))
    standing = any(one.is_about(alarm.kind, alarm.row) for one in state.alarms)
    refuse_unless(not standing, f"the alarm {alarm.kind} of row {alarm.row} stands already")
    return replace(state, alarms=(*state.alarms, alarm))


def alarm_ended(state: Governance, record: Record) -> Governance:
    kind, row = text_of(record.body, "kind"), text_of(record.body, "row")
    left = tuple(one for one in state.alarms if not one.is_about(kind, row))
    refuse_unless(len(left) < len(state.alarms), f"no alarm {kind} of row {row} stands")
    return replace(state, alarms=left)


def _day(body: Mapping[str, Any]) -> str | None:
    return None if body["last_seen"] is None else text_of(body, "last_seen")
