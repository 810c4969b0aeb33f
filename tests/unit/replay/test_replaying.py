"""Replay: the same where nothing changed, and the right word for everything else."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.audit.lost import Lost
from gateway.bundles.archive import pack_archive
from gateway.bundles.sealed_data import unseal
from gateway.decisions.exceptions import Exceptions
from gateway.decisions.floor import Floor, parse_rows
from gateway.decisions.lanes import Lanes, Step
from gateway.decisions.policy import ActivePolicy, CandidatePolicy
from gateway.decisions.shadow import ShadowMeter
from gateway.engine.port import Engine, EngineFailure, EngineVersion, RuleVerdict
from gateway.errors import EngineError
from gateway.recorded.bundles import StoredBundle, accepted_bundle
from gateway.recorded.entries import parse_evaluations
from gateway.recorded.protection import live_exceptions
from gateway.recorded.serving import ServingRecord
from gateway.replay.circumstances import PastPolicies
from gateway.replay.engines import EnginePool
from gateway.replay.replaying import replay
from gateway.replay.report import Outcome, ReplayReport
from gateway.replay.selection import select_range, select_sample
from gateway.sealed.port import SopsKeyService
from gateway.wire.classes import ProcessClass, Sender
from gateway.wire.verdicts import Reason
from tests.fakes.bundles import revised, sign_raw
from tests.fakes.engine import Answer, FakeEngine
from tests.fakes.recorded import (
    MemoryHistory,
    MemoryStore,
    archive_of,
    bundle_files_of,
    bundle_of,
    memory_traffic,
    policy_of,
)
from tests.fakes.sealed_bundle import FLOOR_NAME, sealed_bundle
from tests.fakes.sealed_bundle import KEYS as SEALED_KEYS

SOFT = Reason("SOX/404", "rules.sox", "soft", "reports")
DEV = Sender("dev", "us-east-1", "edge")
EXCEPTION = {
    "id": "c9",
    "rules": ["rules.sox"],
    "pattern": {"glob": "ledger*"},
    "environment": "",
    "region": "",
    "reason": "incident 7",
    "expires": "2026-01-20T00:00:00.000000Z",
}
PROTECTION = {"id": "p", "glob": "game*", "control": "C/9", "reason": "at once"}


def soft_ledger(process_class: ProcessClass) -> Answer:
    if dict(process_class.attributes)["process.executable.name"].startswith("ledger"):
        return RuleVerdict("protect", "keep", 1000, (SOFT,))
    return RuleVerdict("permit", process_class.action, process_class.sample_permille)


class OtherVersion(FakeEngine):
    @property
    def version(self) -> EngineVersion:
        return EngineVersion("fake", "2")


@dataclass
class World:
    """Traffic under bundles whose engines are fakes, and all that is kept of it."""

    engines: dict[str, Engine] = field(default_factory=dict)
    store: MemoryStore = field(default_factory=MemoryStore)
    history: MemoryHistory = field(default_factory=MemoryHistory)

    def __post_init__(self) -> None:
        self.traffic, self.recorded = memory_traffic()
        self.started: list[str] = []

    def keep(self, version: int, engine: Engine) -> StoredBundle:
        """A bundle of this version in the store, served by `engine`."""
        bundle = bundle_of(version=version)
        self.store.put(bundle.hash, archive_of(bundle_files_of(version=version)))
        self.engines[bundle.hash] = engine
        return bundle

    def serve(self, policy: ActivePolicy, **more: Any) -> ActivePolicy:
        """Put it in force."""
        number = policy.ref.activation
        self.history.records[number] = ServingRecord(
            number, policy.ref.bundle, policy.ref.floor, b"", **more
        )
        return policy

    def give(self, policy: ActivePolicy, *names: str, **more: Any) -> None:
        asyncio.run(self.traffic.give(policy, dict.fromkeys(names, 1), **more))

    def replay(
        self,
        any_engine: bool = False,
        sample: int | None = None,
        keys: SopsKeyService | None = None,
    ) -> ReplayReport:
        async def start(bundle: StoredBundle) -> Engine:
            self.started.append(bundle.hash)
            if bundle.hash not in self.engines:
                raise EngineError("no such program")
            return self.engines[bundle.hash]

        async def main() -> ReplayReport:
            past = PastPolicies(self.history, self.store, EnginePool(start), any_engine, keys)
            size = self.recorded.size()
            selected = (
                select_range(self.recorded, 0, size)
                if sample is None
                else select_sample(self.recorded, 0, size, sample, seed=7)
            )
            return await replay(selected, self.recorded, past)

        return asyncio.run(main())


def counts(report: ReplayReport) -> dict[str, int]:
    return {str(outcome): count for outcome, count in report.counts.items() if count}


def simple(engine: FakeEngine | None = None) -> World:
    """Three verdicts in one entry and one of another sender."""
    world = World()
    bundle = world.keep(1, engine or FakeEngine())
    policy = world.serve(policy_of(bundle, engine or FakeEngine()))
    world.give(policy, "payment-1", "log-shipper", "patient-data-service")
    world.give(policy, "log-shipper", sender=DEV)
    return world


def first_id(world: World) -> str:
    return next(iter(world.recorded.log.payloads))


def test_what_nobody_changed_is_the_same() -> None:
    report = simple().replay()
    assert counts(report) == {"SAME": 4}
    assert (report.exit_code, report.differences) == (0, [])


def test_an_engine_that_answers_otherwise_is_different_and_shown() -> None:
    world = simple()
    liberal = FakeEngine(decide=lambda item: RuleVerdict("permit", item.action, 0))
    world.engines = dict.fromkeys(world.engines, liberal)
    report = world.replay()
    assert counts(report) == {"SAME": 3, "DIFFERENT": 1}
    [difference] = report.differences
    assert (difference.recorded["action"], difference.position) == ("keep", 0)
    assert difference.replayed is not None
    assert difference.replayed["action"] == "drop"
    assert difference.reason == "another verdict"
    assert report.exit_code == 1


def test_one_byte_of_a_reason_is_a_difference() -> None:
    world = simple()
    other = Reason("PCI-DSS-4.0.1/10.2.1", "rules.pci", "hard", "cardholder datA", "none")
    verdict = RuleVerdict("protect", "keep", 1000, (other,), ({"type": "no_sampling"},))
    world.engines = dict.fromkeys(world.engines, FakeEngine(answers={"payment-1": verdict}))
    assert counts(world.replay()) == {"SAME": 3, "DIFFERENT": 1}


def test_a_class_that_is_not_the_committed_one_is_different() -> None:
    world = simple()
    one, other = list(world.recorded.log.payloads.values())[:2]
    world.recorded.bent[one.class_id] = other.plaintext
    report = world.replay()
    assert counts(report) == {"SAME": 3, "DIFFERENT": 1}
    assert "no commitment" in report.differences[0].reason


@pytest.mark.parametrize(
    ("lost", "word"),
    [
        (Lost.ERASED, "ERASED"),
        (Lost.PURGED, "PURGED"),
        (Lost.MISSING, "DIFFERENT"),
        (Lost.DAMAGED, "DIFFERENT"),
    ],
)
def test_lawful_deletion_is_told_from_loss(lost: Lost, word: str) -> None:
    world = simple()
    world.recorded.lost[first_id(world)] = lost
    assert counts(world.replay()) == {"SAME": 3, word: 1}


def test_everything_purged_could_not_be_checked() -> None:
    world = simple()
    world.recorded.lost = dict.fromkeys(world.recorded.log.payloads, Lost.PURGED)
    report = world.replay()
    assert counts(report) == {"PURGED": 4}
    assert report.exit_code == 2


def test_verdicts_under_sealed_data_are_repeated_by_who_can_open_it_alone() -> None:
    engine, world, sealed = FakeEngine(), World(), sealed_bundle()
    world.store.put(sealed.hash, pack_archive(sign_raw(revised(sealed.files))))
    world.engines[sealed.hash] = engine
    opened = accepted_bundle(unseal(sealed, SEALED_KEYS))
    world.give(world.serve(policy_of(opened, engine)), FLOOR_NAME, "log-shipper")
    assert counts(world.replay(keys=SEALED_KEYS)) == {"SAME": 2}
    report = world.replay()
    assert counts(report) == {"BUNDLE_MISSING": 2}
    assert any("sealed, and no key to open it" in reason for _, reason in report.reasons)


def test_another_version_of_the_engine_counts_only_when_asked_to() -> None:
    world = simple()
    world.engines = dict.fromkeys(world.engines, OtherVersion())
    report = world.replay()
    assert counts(report) == {"ENGINE_MISSING": 4}
    assert report.exit_code == 2
    assert any("given by fake 1" in reason for _, reason in report.reasons)
    report = world.replay(any_engine=True)
    assert counts(report) == {"SAME": 4}
    assert report.other_engines == {"fake 1, repeated by fake 2": 4}


def test_an_engine_that_does_not_start_or_answer_is_missing() -> None:
    world = simple()
    world.engines = {}
    assert counts(world.replay()) == {"ENGINE_MISSING": 4}
    world = simple()
    world.engines = dict.fromkeys(world.engines, FakeEngine(down="gone"))
    assert counts(world.replay()) == {"ENGINE_MISSING": 4}


def test_policies_that_fail_now_are_different() -> None:
    world = simple()
    failing = FakeEngine(answers={"payment-1": EngineFailure("builtin_error")})
    world.engines = dict.fromkeys(world.engines, failing)
    report = world.replay()
    assert counts(report) == {"SAME": 3, "DIFFERENT": 1}
    assert "builtin_error" in report.differences[0].reason


def test_a_bundle_or_activation_that_is_not_kept_is_missing() -> None:
    world = simple()
    world.store.kept = {}
    assert counts(world.replay()) == {"BUNDLE_MISSING": 4}
    world = simple()
    world.history.records = {}
    assert counts(world.replay()) == {"BUNDLE_MISSING": 4}


def test_another_bundle_in_the_store_is_never_taken_for_it() -> None:
    world = simple()
    [known] = world.store.kept
    world.store.kept = {known: archive_of(bundle_files_of(version=9))}
    assert counts(world.replay()) == {"BUNDLE_MISSING": 4}


def test_an_entry_that_names_another_bundle_than_was_in_force_is_different() -> None:
    world = simple()
    record = world.history.records[3]
    world.history.records[3] = replace(record, bundle="e" * 64)
    report = world.replay()
    assert counts(report) == {"DIFFERENT": 4}
    assert "put bundle eeee" in report.differences[0].reason


def test_a_floor_that_cannot_be_made_again_is_missing_and_one_that_can_holds() -> None:
    world = World()
    engine = FakeEngine()
    bundle = world.keep(1, engine)
    policy = policy_of(bundle, engine, protections=[PROTECTION])
    world.serve(policy, protections=(PROTECTION,))
    world.give(policy, "game-server")
    assert counts(world.replay()) == {"SAME": 1}
    world.serve(policy)
    assert counts(world.replay()) == {"BUNDLE_MISSING": 1}


def test_exceptions_are_applied_as_they_were() -> None:
    world = World()
    engine = FakeEngine(decide=soft_ledger)
    bundle = world.keep(1, engine)
    granted = live_exceptions([EXCEPTION])
    policy = world.serve(policy_of(bundle, engine, exceptions=granted), exceptions=(EXCEPTION,))
    world.give(policy, "ledger", "other")
    recorded = parse_evaluations(next(world.recorded.scan(0, 9)))
    assert recorded.items[0].value()["action"] == "drop", "the exception lifts the soft rule"
    assert counts(world.replay()) == {"SAME": 2}
    world.serve(policy)
    assert counts(world.replay()) == {"BUNDLE_MISSING": 2}
    assert granted != Exceptions()


def canary(world: World) -> ActivePolicy:
    """Bundle 1 in force, which permits, and bundle 2 in canary, which keeps `ledger`."""
    engine, other = FakeEngine(), FakeEngine(decide=soft_ledger)
    bundle, candidate = world.keep(1, engine), world.keep(2, other)
    both = CandidatePolicy(
        bundle=candidate.hash,
        revision=candidate.revision,
        engine=other,
        floor=Floor(None, parse_rows(candidate.never_filter, "rows")),
        declaration=candidate.declaration,
        schedule=candidate.schedule,
        lanes=Lanes(candidate.hash, (Step("*", "*", 1000),)),
        meter=ShadowMeter(),
    )
    return world.serve(policy_of(bundle, engine, candidate=both), candidate=candidate.hash)


def test_a_canary_verdict_is_the_more_protective_of_both() -> None:
    world = World()
    policy = canary(world)
    world.give(policy, "ledger", "payment-1", "other", lane="canary")
    world.give(policy, "ledger", lane="active")
    assert counts(world.replay()) == {"SAME": 4}
    assert len(set(world.started)) == 2
    world.engines[policy.ref.bundle] = FakeEngine()
    candidate = policy.candidate
    assert candidate is not None
    world.engines[candidate.bundle] = FakeEngine()
    assert counts(world.replay()) == {"SAME": 3, "DIFFERENT": 1}


def test_a_candidate_that_was_none_then_is_different() -> None:
    world = World()
    policy = canary(world)
    world.give(policy, "ledger", lane="canary")
    world.history.records[3] = replace(world.history.records[3], candidate=None)
    report = world.replay()
    assert counts(report) == {"DIFFERENT": 1}
    assert "no candidate" in report.differences[0].reason


def many(world: World, count: int = 60) -> Sequence[str]:
    policy = world.serve(policy_of(world.keep(1, FakeEngine()), FakeEngine()))
    names = [f"service-{number}" for number in range(count)]
    for start in range(0, count, 7):
        world.give(policy, *names[start : start + 7])
    return names


def test_a_sample_is_of_its_size_and_repeats() -> None:
    world = World()
    many(world)

    def chosen(size: int, seed: int) -> list[tuple[int, int]]:
        found = select_sample(world.recorded, 0, world.recorded.size(), size, seed)
        return [(one.seq, position) for one in found for position in one.positions]

    assert len(set(chosen(10, 1))) == 10
    assert chosen(10, 1) == chosen(10, 1) != chosen(10, 2)
    assert len(chosen(1000, 1)) == 60
    assert {place for seed in range(300) for place in chosen(3, seed)} == set(chosen(60, 1))
    assert counts(world.replay(sample=9)) == {"SAME": 9}


def test_few_engines_run_at_a_time_and_all_end() -> None:
    closed: list[str] = []
    running: set[str] = set()
    most = 0

    class Tracked(FakeEngine):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        async def aclose(self) -> None:
            running.discard(self.name)
            closed.append(self.name)

    async def start(bundle: StoredBundle) -> Engine:
        nonlocal most
        running.add(bundle.hash)
        most = max(most, len(running))
        return Tracked(bundle.hash)

    async def main() -> None:
        pool = EnginePool(start, max_running=2)
        bundles = [bundle_of(version=number) for number in (1, 2, 3, 4)]
        for bundle in [*bundles, bundles[3], bundles[0]]:
            await pool.engine_for(bundle)
        await pool.aclose()

    asyncio.run(main())
    assert most == 2
    assert running == set()
    assert len(closed) == 5


def test_the_first_differences_are_kept_and_all_are_counted() -> None:
    world = World()
    many(world)
    drop = FakeEngine(decide=lambda item: RuleVerdict("protect", "keep", 1000))
    world.engines = dict.fromkeys(world.engines, drop)
    report = world.replay()
    assert report.counts[Outcome.DIFFERENT] == 60
    assert len(report.differences) == 20
    assert report.record()["counts"]["DIFFERENT"] == 60  # type: ignore[index, call-overload]
