"""Folds journal entries into what is in force. The one place that says which step may follow which:
the writer asks it before it appends, the reader asks it of every stored entry, and an entry that
may not stand where it stands is refused, whoever wrote it (docs/formats.md section 11)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from gateway.changes import alarm_steps, deed_steps, exception_steps, queue_steps, rollout_steps
from gateway.changes.records import Record
from gateway.changes.state import Governance
from gateway.errors import ChangeRefusedError
from gateway.transparency.journal_types import SERVING_TYPES


def fold(records: Iterable[Record], state: Governance | None = None) -> Governance:
    """The state after all records; raises ChangeRefusedError naming the first that may not
    stand."""
    state = state or Governance()
    for record in records:
        state = apply(state, record)
    return state


def apply(state: Governance, record: Record) -> Governance:
    """The state after one more record; raises ChangeRefusedError, and `state` is as it was."""
    step = _STEPS.get(record.type)
    if step is None:
        raise ChangeRefusedError(f"entry {record.seq}: {record.type} is no change")
    prior = record.body.get("prior")
    if record.seq <= state.journal or prior != (state.journal if state.journal >= 0 else None):
        raise ChangeRefusedError(
            f"entry {record.seq}: {record.type} does not follow entry {state.journal}"
        )
    try:
        after = step(state, record)
    except ChangeRefusedError as error:
        raise ChangeRefusedError(f"{record.type}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ChangeRefusedError(
            f"{record.type}: the entry is not of the agreed form ({type(error).__name__})"
        ) from None
    activation = record.seq if record.type in SERVING_TYPES else state.activation
    return replace(after, journal=record.seq, activation=activation)


_STEPS: Mapping[str, Callable[[Governance, Record], Governance]] = {
    "alarm.ended": alarm_steps.alarm_ended,
    "alarm.raised": alarm_steps.alarm_raised,
    "bundle.activated": rollout_steps.activated,
    "change.approved": queue_steps.approved,
    "change.assessed": queue_steps.assessed,
    "change.rejected": queue_steps.rejected,
    "change.staged": queue_steps.staged,
    "change.tested": queue_steps.tested,
    "entries.purged": deed_steps.entries_purged,
    "exception.ended": exception_steps.exception_ended,
    "exception.granted": exception_steps.exception_granted,
    "hold.placed": deed_steps.hold_placed,
    "hold.released": deed_steps.hold_released,
    "key.handed-over": deed_steps.key_handed_over,
    "payloads.erased": deed_steps.payloads_erased,
    "payloads.purged": deed_steps.payloads_purged,
    "protection.added": exception_steps.protection_added,
    "protection.removed": exception_steps.protection_removed,
    "rollout.ended": rollout_steps.rollout_ended,
    "rollout.halted": rollout_steps.halted,
    "rollout.stepped": rollout_steps.stepped,
}
