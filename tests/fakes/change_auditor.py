"""Reads the entries of a log as somebody who knows section 11 of docs/formats.md and not the fold,
and says what may never have happened."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.clock import parse_time
from gateway.transparency.entry import Entry

THIRTY_DAYS_US = 30 * 86_400_000_000


@dataclass
class Told:
    """What the entries say of one change."""

    body: dict[str, Any]
    steps: list[int] = field(default_factory=list)
    count: int = 0
    is_halted: bool = False
    is_over: bool = False
    approval: dict[str, Any] | None = None


class ChangeAuditor:
    """Call `read` once with all journal entries; an assertion names what does not hold."""

    def __init__(self) -> None:
        self.changes: dict[str, Told] = {}
        self.protections: dict[str, dict[str, Any]] = {}
        self.exceptions: dict[str, int] = {}
        self.bundles: list[str] = []
        self.versions: list[int] = []
        self.rolling: str | None = None
        self.alarms: set[tuple[str, str]] = set()
        self.holds: dict[str, dict[str, Any]] = {}
        self.removed: list[str] = []

    def read(self, entries: Sequence[Entry]) -> "ChangeAuditor":
        for entry in entries:
            body: Any = entry.body
            getattr(self, entry.type.replace(".", "_").replace("-", "_"))(entry, body)
        return self

    def alarm_raised(self, entry: Entry, body: dict[str, Any]) -> None:
        assert (body["kind"], body["row"]) not in self.alarms, "an alarm raised twice"
        self.alarms.add((body["kind"], body["row"]))

    def alarm_ended(self, entry: Entry, body: dict[str, Any]) -> None:
        assert (body["kind"], body["row"]) in self.alarms, "an alarm ended that did not stand"
        self.alarms.remove((body["kind"], body["row"]))

    def change_staged(self, entry: Entry, body: dict[str, Any]) -> None:
        self.changes[f"c{entry.seq}"] = Told(body)
        if body["kind"] == "exception":
            expires_us = parse_time(body["subject"]["expires"])
            assert expires_us <= entry.time_us + THIRTY_DAYS_US, "an exception over 30 days"

    def change_tested(self, entry: Entry, body: dict[str, Any]) -> None:
        self.changes[body["id"]].is_over = not body["passed"]

    def change_assessed(self, entry: Entry, body: dict[str, Any]) -> None:
        assert not self.changes[body["id"]].is_over

    def change_approved(self, entry: Entry, body: dict[str, Any]) -> None:
        told = self.changes[body["id"]]
        self._verify_another(told, body)
        assert told.approval is None, "approved twice"
        assert body["change"]["approval_id"]
        assert not told.is_over
        told.approval = body

    def change_rejected(self, entry: Entry, body: dict[str, Any]) -> None:
        told = self.changes[body["id"]]
        assert not told.is_over
        assert not told.steps
        told.is_over = True

    def rollout_stepped(self, entry: Entry, body: dict[str, Any]) -> None:
        id = body["id"]
        told = self.changes[id]
        assert self.rolling in (None, id), "two rollouts at once"
        assert not told.is_over, "a step of a change that is over"
        assert not told.is_halted, "a step after a halt"
        assert body["step"] == len(told.steps), "a step was left out"
        if told.body["kind"] == "bundle":
            assert told.approval is not None, "a rollout without approval"
        self.rolling = id
        told.steps.append(body["step"])
        told.count = len(body["steps"])

    def rollout_halted(self, entry: Entry, body: dict[str, Any]) -> None:
        told = self.changes[body["id"]]
        assert self.rolling == body["id"]
        assert not told.is_halted, "halted twice"
        told.is_halted = True

    def rollout_ended(self, entry: Entry, body: dict[str, Any]) -> None:
        told = self.changes[body["id"]]
        assert self.rolling == body["id"]
        self._verify_another(told, body)
        told.is_over, self.rolling = True, None

    def bundle_activated(self, entry: Entry, body: dict[str, Any]) -> None:
        assert body["activation"] == entry.seq
        if body["id"] is None:
            assert not self.bundles or body["bundle"] == self.bundles[-1], "unapproved"
        else:
            self._verify_activation(self.changes[body["id"]], body)
        self.bundles.append(body["bundle"])
        self.versions.append(body["version"])

    def _verify_activation(self, told: Told, body: dict[str, Any]) -> None:
        assert self.rolling == body["id"], "activated without a rollout"
        assert told.approval is not None, "activated without approval"
        assert told.approval["bundle"] == body["bundle"] == told.body["subject"]["bundle"]
        assert not told.is_halted, "activated after a halt"
        assert not told.is_over, "activated twice"
        assert len(told.steps) == told.count, "activated before the last step"
        if told.body["kind"] == "rollback":
            assert body["bundle"] in self.bundles, "a rollback to what never was"
        else:
            assert body["version"] > max(self.versions), "an old version came back as new"
        told.is_over, self.rolling = True, None

    def protection_added(self, entry: Entry, body: dict[str, Any]) -> None:
        id = f"c{entry.seq}"
        self.changes[id] = Told(body)
        assert body["row"]["id"] not in [row["id"] for row in self.protections.values()]
        self.protections[id] = body["row"]

    def protection_removed(self, entry: Entry, body: dict[str, Any]) -> None:
        told = self.changes[body["id"]]
        self._verify_another(told, body)
        assert told.approval is None, "a confirmed protection was taken away"
        told.is_over = True
        del self.protections[body["id"]]

    def exception_granted(self, entry: Entry, body: dict[str, Any]) -> None:
        told = self.changes[body["id"]]
        assert told.approval is not None
        assert not told.is_over
        assert body["id"] not in self.exceptions
        expires_us = parse_time(told.body["subject"]["expires"])
        assert entry.time_us < expires_us
        self.exceptions[body["id"]] = expires_us

    def exception_ended(self, entry: Entry, body: dict[str, Any]) -> None:
        del self.exceptions[body["id"]]
        self.changes[body["id"]].is_over = True

    def hold_placed(self, entry: Entry, body: dict[str, Any]) -> None:
        self.holds[f"c{entry.seq}"] = body

    def hold_released(self, entry: Entry, body: dict[str, Any]) -> None:
        told = self._deed(body, "release")
        assert told.body["subject"]["hold"] == body["hold"], "another hold was released"
        del self.holds[body["hold"]]

    def key_handed_over(self, entry: Entry, body: dict[str, Any]) -> None:
        told = self._deed(body, "key")
        assert told.body["subject"] == {name: body[name] for name in ("old", "new")}

    def payloads_purged(self, entry: Entry, body: dict[str, Any]) -> None:
        subject = self._deed(body, "purge").body["subject"]
        assert body["month_keys"] == subject["month_keys"], "other months than were approved"
        self._verify_free(body["month_keys"])
        self._remove(body["month_keys"])

    def payloads_erased(self, entry: Entry, body: dict[str, Any]) -> None:
        subject = self._deed(body, "erasure").body["subject"]
        assert body["classes"] == subject["classes"], "other payloads than were approved"
        self._verify_free(subject["months"])

    def entries_purged(self, entry: Entry, body: dict[str, Any]) -> None:
        subject = self._deed(body, "purge").body["subject"]
        first, last = body["first"], body["last"]
        assert (first, last) == (subject["first"], subject["last"])
        for hold in self.holds.values():
            assert subject["to"] < hold["from"] or (hold["to"] or "9999") < subject["from"], "held"
        self._remove([str(seq) for seq in range(first, last + 1)])

    def _deed(self, body: dict[str, Any], kind: str) -> Told:
        told = self.changes[body["id"]]
        assert told.body["kind"] == kind
        assert told.approval is not None, "done without a second person"
        self._verify_another(told, told.approval)
        assert not told.is_over, "done twice, or after its rejection"
        told.is_over = True
        return told

    def _verify_free(self, month_keys: list[str]) -> None:
        for hold in self.holds.values():
            for key in month_keys:
                region, retention_class, month = key.split("/")[-3:]
                assert (
                    hold["region"] not in ("", region)
                    or hold["retention_class"] not in ("", retention_class)
                    or not hold["from"] <= month <= (hold["to"] or "9999")
                ), "removed under a hold"

    def _remove(self, names: list[str]) -> None:
        assert not set(names) & set(self.removed), "removed twice"
        self.removed += names

    def _verify_another(self, told: Told, body: dict[str, Any]) -> None:
        author, other = told.body["change"]["user"], body["change"]["user"]
        assert author.rpartition("/")[2].lower() != other.rpartition("/")[2].lower(), "same person"
        assert told.body["key"] != body["key"], "same key"
