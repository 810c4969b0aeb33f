"""Rows as events of the Open Cybersecurity Schema Framework 1.6.0, one JSON object a line.

| entry                                         | OCSF class                 | uid  |
|-----------------------------------------------|----------------------------|------|
| decisions, denial, ledger.*, others           | API Activity               | 6003 |
| evaluations                                   | Compliance Finding         | 2003 |
| change.*, bundle.*, exception.*, key.*, …     | Entity Management          | 3004 |
| gateway.started, gateway.stopped              | Application Lifecycle      | 6002 |

`metadata.uid` is `<log>/<seq>/<position>`, `metadata.sequence` the entry's place; the leaf hash
stands in `unmapped`, so that each event can be traced to its proof (`gateway audit prove <seq>`).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from gateway.clock import format_time
from gateway.reading.rows import Row

VERSION = "1.6.0"
_VENDOR, _PRODUCT = "Compliance Gateway", "compliance-gateway"
_INFORMATIONAL, _MEDIUM, _HIGH = 1, 3, 4
_SUCCESS, _FAILURE = 1, 2
_ENTITIES = (
    *("alarm.", "bundle.", "change.", "collector.change", "exception.", "hold.", "key."),
    *("log.", "payload", "entries.", "protection.", "rollout."),
)
_ACTIVITY_BY_ENDING = {
    "activated": 10,
    "added": 1,
    "approved": 3,
    "created": 1,
    "ended": 4,
    "erased": 4,
    "granted": 8,
    "halted": 12,
    "opened": 2,
    "placed": 8,
    "purged": 4,
    "raised": 1,
    "refused": 99,
    "rejected": 4,
    "released": 9,
    "removed": 4,
    "sealed": 1,
    "staged": 1,
}
_UPDATE = 3

Event = dict[str, Any]


def write_ocsf(rows: Iterable[Row], out: TextIO) -> int:
    """Write an event a line; gives how many."""
    written = 0
    for row in rows:
        out.write(json.dumps(ocsf_event(row), ensure_ascii=False, separators=(",", ":")) + "\n")
        written += 1
    return written


def ocsf_event(row: Row) -> Event:
    """The event of one row."""
    if row.type == "evaluations":
        return _finding(row)
    if row.type in ("gateway.started", "gateway.stopped"):
        activity = 3 if row.type.endswith("started") else 4
        app = {"name": _PRODUCT, "uid": row.actor}
        return _event(row, 6, 6002, activity, {"app": app}, _INFORMATIONAL, _SUCCESS)
    if row.type.startswith(_ENTITIES):
        return _management(row)
    return _api_activity(row)


def _finding(row: Row) -> Event:
    named = [control for control in row.controls if control]
    standing = {"permitted": 1}.get(row.effect, 2)  # Pass, else Warning: protection was called for
    compliance: Event = {
        "control": named[0] if named else "none",
        "standards": sorted({control.partition("/")[0] for control in named}) or ["none"],
        "status_id": standing,
        "requirements": named,
    }
    information = {
        "title": f"{row.action} ({row.effect})",
        "uid": _uid(row),
        "desc": "; ".join(str(reason.get("message", "")) for reason in row.reasons),
        "types": [row.effect],
    }
    resource = {"uid": row.class_id, "type": "process class", "name": row.process or row.class_id}
    details: Event = {
        "compliance": compliance,
        "finding_info": information,
        "resources": [resource],
        "actor": _actor(row),
    }
    return _event(row, 2, 2003, 1, details, _INFORMATIONAL, 1)


def _management(row: Row) -> Event:
    activity = _ACTIVITY_BY_ENDING.get(row.type.rpartition(".")[2], _UPDATE)
    change = row.change
    entity: Event = {
        "uid": str(row.body.get("id") or _uid(row)),
        "type": row.type.partition(".")[0],
        "name": str(change.get("change_type") or row.type),
    }
    details: Event = {"entity": entity, "actor": _actor(row)}
    if change:
        details["comment"] = str(change.get("justification") or "")
        details["entity_result"] = {**entity, "data": {"value": change.get("new_value")}}
        entity["data"] = {"value": change.get("previous_value")}
    status = _FAILURE if row.type in ("bundle.refused", "rollout.halted") else _SUCCESS
    severity = _MEDIUM if status == _FAILURE or row.type == "alarm.raised" else _INFORMATIONAL
    return _event(row, 3, 3004, activity, details, severity, status)


def _api_activity(row: Row) -> Event:
    is_refused = row.type in ("denial", "ledger.mismatch", "fork.reported", "unreadable")
    severity = _INFORMATIONAL
    if is_refused:
        severity = _HIGH if row.type in ("fork.reported", "unreadable") else _MEDIUM
    details: Event = {
        "actor": _actor(row),
        "api": {"operation": str(row.body.get("route") or row.type)},
        # Required by the class; an entry names its sender by certificate, not by address.
        "src_endpoint": {"name": row.actor or "unknown"},
    }
    if row.class_id:
        name = row.process or row.class_id
        details["resources"] = [{"uid": row.class_id, "type": "process class", "name": name}]
    if row.count:
        details["count"] = row.count
    status = _FAILURE if is_refused or row.effect == "fail_safe" else _SUCCESS
    return _event(row, 6, 6003, 99 if row.type == "unreadable" else 2, details, severity, status)


def _event(
    row: Row,
    category: int,
    class_uid: int,
    activity: int,
    details: Mapping[str, Any],
    severity: int,
    status: int,
) -> Event:
    entry = row.located.entry
    told: Event = {"leaf_hash": row.located.leaf_hash, "position": row.position}
    for name, value in (
        ("action", row.action),
        ("effect", row.effect),
        ("controls", list(row.controls)),
        ("change", dict(row.change)),
    ):
        if value:
            told[name] = value
    metadata: Event = {
        "version": VERSION,
        "product": {"vendor_name": _VENDOR, "name": _PRODUCT},
        "uid": _uid(row),
        "event_code": row.type,
        "sequence": row.seq,
        "log_name": entry.origin if entry else "",
    }
    if entry:
        metadata["original_time"] = format_time(row.time_us)
    return {
        "category_uid": category,
        "class_uid": class_uid,
        "activity_id": activity,
        "type_uid": class_uid * 100 + activity,
        "severity_id": severity,
        "status_id": status,
        "time": row.time_us // 1000,
        "message": _message(row),
        "metadata": metadata,
        **details,
        "unmapped": told,
    }


def _actor(row: Row) -> Event:
    return {"user": {"uid": row.actor, "name": row.actor.rpartition("/")[2] or "unknown"}}


def _uid(row: Row) -> str:
    origin = row.located.entry.origin if row.located.entry else ""
    return f"{origin}/{row.seq}/{row.position}"


def _message(row: Row) -> str:
    if row.action:
        times = f" {row.count} times" if row.count > 1 else ""
        return f"{row.action} ({row.effect}){times}" + (f": {row.detail}" if row.detail else "")
    return f"{row.type}: {row.detail}" if row.detail else row.type
