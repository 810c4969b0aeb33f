"""Recorded traffic in memory: the ports of `gateway.recorded` over a MemoryLog, a bundle store, and
a past that is what a test says."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway import canonical
from gateway.audit.lost import Lost
from gateway.audit.port import Draft, Log
from gateway.bundles.archive import pack_archive
from gateway.bundles.folder import parse_bundle
from gateway.clock import ManualClock
from gateway.decisions.epoch import Epoch, begin_epoch
from gateway.decisions.evaluation import evaluate, record
from gateway.decisions.exceptions import NONE_GRANTED, Exceptions
from gateway.decisions.floor import Floor, parse_rows, rows_of
from gateway.decisions.lanes import Lane
from gateway.decisions.policy import ActivePolicy, CandidatePolicy
from gateway.decisions.proposals import ProposalReader
from gateway.engine.port import Engine
from gateway.recorded.bundles import StoredBundle, accepted_bundle
from gateway.recorded.entries import StoredEntry, is_evaluations
from gateway.recorded.port import Absences, Weight
from gateway.recorded.serving import ServingRecord
from gateway.wire.classes import ProcessClass, Sender, project
from gateway.wire.verdicts import Action, PolicyRef
from tests.fakes.decisions import DECLARATION, FAR_US, NOW_US, SENDER
from tests.fakes.log import ACTOR, MemoryLog

POLICY_REGO = b"""package main

verdicts := [verdict |
	some proposal in input.proposals
	verdict := _verdict(proposal, object.get(proposal.process, "process.executable.name", ""))
]

_verdict(proposal, name) := {
	"ref": proposal.ref,
	"decision": "protect",
	"action": "keep",
	"sample_permille": 1000,
	"reasons": [{
		"control": row.control,
		"rule": "rules.services",
		"level": row.level,
		"message": row.reason,
		"remediation": "none",
	}],
	"obligations": [{"type": "retain_days", "at_least": 365}],
} if {
	row := _row(name)
} else := {
	"ref": proposal.ref,
	"decision": "permit",
	"action": proposal.action,
	"sample_permille": proposal.sample_permille,
	"reasons": [],
	"obligations": [],
}

_row(name) := [row |
	some row in data.data.services
	startswith(name, row.prefix)
	_applies(row)
][0]

_applies(row) if not "window" in object.keys(row)

_applies(row) if row.window in input.context.time.windows
"""


def service(prefix: str, control: str = "PCI-DSS-4.0.1/10.2.1", **more: Any) -> dict[str, Any]:
    """A row that the rules of `test_bundle` protect by: level hard unless told."""
    return {"prefix": prefix, "control": control, "level": "hard", "reason": "protected", **more}


def bundle_of(
    services: Sequence[Mapping[str, Any]] = (),
    *,
    never_filter: Sequence[Mapping[str, Any]] = (),
    windows: Sequence[Mapping[str, Any]] = (),
    version: int = 1,
    attributes: Sequence[str] = DECLARATION.attributes,
) -> StoredBundle:
    """A bundle that protects services by prefix, whose archive a real OPA loads."""
    return accepted_bundle(
        parse_bundle(
            bundle_files_of(
                services,
                never_filter=never_filter,
                windows=windows,
                version=version,
                attributes=attributes,
            )
        )
    )


def bundle_files_of(
    services: Sequence[Mapping[str, Any]] = (),
    *,
    never_filter: Sequence[Mapping[str, Any]] = (),
    windows: Sequence[Mapping[str, Any]] = (),
    version: int = 1,
    attributes: Sequence[str] = DECLARATION.attributes,
) -> dict[str, bytes]:
    """The files of `bundle_of`."""
    manifest = {"revision": "", "roots": ["main", "data"], "metadata": {"version": version}}
    edges = list(DECLARATION.score_edges)
    data = {
        "class": {"attributes": list(attributes), "score_edges": edges},
        "services": list(services),
        "windows": list(windows),
        "floor": {"never_filter": list(never_filter)},
        "controls": {
            "controls": [{"id": "PCI-DSS-4.0.1/10.2.1", "framework": "PCI DSS 4.0.1"}],
        },
    }
    return {
        ".manifest": json.dumps(manifest).encode(),
        "data/data.json": json.dumps(data).encode(),
        "main/main.rego": POLICY_REGO,
    }


def archive_of(files: Mapping[str, bytes]) -> bytes:
    """The files as the bundle store keeps them."""
    return pack_archive(files)


def policy_of(
    bundle: StoredBundle,
    engine: Engine,
    activation: int = 3,
    *,
    protections: Sequence[Mapping[str, Any]] = (),
    exceptions: Exceptions = NONE_GRANTED,
    candidate: CandidatePolicy | None = None,
) -> ActivePolicy:
    """The bundle in force."""
    floor = Floor(None, rows_of(bundle), parse_rows(protections, "protections"))
    return ActivePolicy(
        ref=PolicyRef(activation, bundle.revision, bundle.hash, floor.hash),
        engine=engine,
        floor=floor,
        declaration=bundle.declaration,
        reader=ProposalReader(bundle.declaration),
        schedule=bundle.schedule,
        max_age_seconds=90 * 86_400,
        expires_us=FAR_US,
        candidate=candidate,
        exceptions=exceptions,
    )


@dataclass
class Traffic:
    """Makes recorded traffic by the decision path's own steps. `log` must take its clock's time."""

    log: Log
    clock: ManualClock
    _epoch: Epoch | None = None
    _places: dict[Any, tuple[int, int]] = field(default_factory=dict)

    async def give(
        self,
        policy: ActivePolicy,
        times: Mapping[str, int],
        *,
        action: Action = "drop",
        sender: Sender = SENDER,
        lane: Lane = "active",
    ) -> None:
        """Processes of these names ask, each so many times, in one request."""
        rate = 0.5 if action == "sample" else None
        named = {
            name: project(
                policy.declaration, sender, {"process.executable.name": name}, action, rate, 0.1
            )
            for name in times
        }
        await self.give_classes(
            policy, {named[name]: count for name, count in times.items()}, sender, lane
        )

    async def give_classes(
        self,
        policy: ActivePolicy,
        times: Mapping[ProcessClass, int],
        sender: Sender = SENDER,
        lane: Lane = "active",
    ) -> None:
        """As `give`, for classes."""
        now_us = self.clock.now_us()
        if self._epoch is None or not self._epoch.covers(policy, now_us):
            self._epoch, self._places = begin_epoch(policy, now_us), {}
        missing = [(item, item) for item in times if (item, lane) not in self._places]
        outcomes = await evaluate(self._epoch, sender, lane, missing)
        recording = record(self._epoch, sender, lane, outcomes, now_us, ACTOR)
        if recording.drafts:
            appended = await self.log.append(recording.drafts, recording.payloads)
            for one in recording.evaluated:
                if one.failure is None:
                    place = (appended[one.entry].seq, one.position)
                    self._places[one.process_class, lane] = place
        cited: list[canonical.Value] = [
            [*self._places[item, lane], count] for item, count in times.items()
        ]
        body: dict[str, canonical.Value] = {
            "activation": policy.ref.activation,
            "fail_safe": {},
            "verdicts": cited,
        }
        await self.log.append([Draft("decisions", ACTOR, canonical.encode(body))])


def memory_traffic() -> tuple[Traffic, "MemoryRecorded"]:
    """Traffic over a MemoryLog, and how it is read back."""
    clock = ManualClock(wall_us=NOW_US)
    log = MemoryLog(clock=clock)
    return Traffic(log, clock), MemoryRecorded(log)


@dataclass
class MemoryStore:
    """The BundleStore port."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def put(self, hash: str, content: bytes) -> None:
        self.kept.setdefault(hash, content)

    def get(self, hash: str) -> bytes | None:
        return self.kept.get(hash)


@dataclass
class MemoryHistory:
    """The ServingHistory port."""

    records: dict[int, ServingRecord] = field(default_factory=dict)

    def serving_at(self, activation: int) -> ServingRecord | None:
        return self.records.get(activation)


@dataclass
class MemoryRecorded:
    """RecordedEntries and ClassVault over a MemoryLog. `lost` and `bent` change what the vault
    says of a class id."""

    log: MemoryLog
    lost: dict[str, Lost] = field(default_factory=dict)
    bent: dict[str, bytes] = field(default_factory=dict)

    def size(self) -> int:
        return len(self.log.entries)

    def scan(self, first: int, stop: int) -> Iterator[StoredEntry]:
        for seq, data in list(enumerate(self.log.entries))[first:stop]:
            if is_evaluations(data):
                yield StoredEntry(seq, data)

    def at(self, seqs: Sequence[int]) -> Iterator[StoredEntry]:
        wanted = set(seqs)
        return (entry for entry in self.scan(0, self.size()) if entry.seq in wanted)

    def absent(self, first: int, stop: int) -> Absences:
        return Absences(purged=0, missing=max(0, stop - max(first, self.size())))

    def purged(self, seqs: Sequence[int]) -> Collection[int]:
        return ()

    def weights(self, first_day: str, last_day: str) -> Sequence[Weight]:
        counts: Counter[tuple[str, int, int]] = Counter()
        for data in self.log.entries:
            entry: dict[str, Any] = json.loads(data)
            day = entry["time"][:10]
            if entry["type"] == "decisions" and first_day <= day <= last_day:
                for seq, position, times in entry["body"]["verdicts"]:
                    counts[day, seq, position] += times
        return [Weight(*key, times) for key, times in sorted(counts.items())]

    def open_many(self, classes: Mapping[str, int]) -> Mapping[str, bytes | Lost]:
        opened: dict[str, bytes | Lost] = {}
        for class_id in classes:
            payload = self.log.payloads.get(class_id)
            known = self.bent.get(class_id) or (payload.plaintext if payload else Lost.PURGED)
            opened[class_id] = self.lost.get(class_id, known)
        return opened
