import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.bundles.folder import Bundle, parse_bundle
from gateway.changes.activation import Justification, begin
from gateway.changes.assessor import Recorded, RecordedAssessor
from gateway.changes.engines import Engines, Makers
from gateway.changes.examination import AssessmentResult
from gateway.changes.journal import Journal
from gateway.decisions.exceptions import NONE_GRANTED, Exceptions, LiveException
from gateway.engine.port import Engine, RuleVerdict
from gateway.errors import BundleError, EngineError
from gateway.impact.report import losses_hash
from gateway.recorded.bundles import accepted_bundle
from gateway.wire.classes import ProcessClass
from gateway.wire.patterns import parse_pattern
from gateway.wire.verdicts import Reason
from tests.fakes.changes import MemoryStore
from tests.fakes.decisions import FAR_US, make_policy
from tests.fakes.engine import FakeEngine, name_of
from tests.fakes.log import ACTOR
from tests.fakes.recorded import archive_of, bundle_files_of, memory_traffic, policy_of, service

CARDS = service("card-")
PLACE = "production/eu-west-1"
LOST_VAULT = f"card-vault@{PLACE} PCI-DSS-4.0.1/10.2.1"


def engine_of(bundle: Bundle) -> FakeEngine:
    """Answers as the Rego of these bundles would."""
    services: Sequence[Mapping[str, Any]] = bundle.data["data"]["services"]

    def decide(process_class: ProcessClass) -> RuleVerdict:
        for row in services:
            if name_of(process_class).startswith(row["prefix"]):
                reason = Reason(row["control"], "rules.services", row["level"], row["reason"])
                return RuleVerdict("protect", "keep", 1000, (reason,))
        return RuleVerdict("permit", process_class.action, process_class.sample_permille)

    return FakeEngine(decide=decide)


def assess(
    services: Sequence[Mapping[str, Any]],
    *,
    is_active_down: bool = False,
    is_candidate_down: bool = False,
    is_stored: bool = True,
    made: list[FakeEngine] | None = None,
    kept: Sequence[Mapping[str, Any]] = (CARDS,),
    exceptions: Exceptions = NONE_GRANTED,
) -> tuple[AssessmentResult, FakeEngine]:
    """The impact of a bundle with these services, and the engine that was made for it."""
    active = parse_bundle(bundle_files_of(kept))
    candidate = parse_bundle(bundle_files_of(services, version=2))
    bundles = {active.hash: active, candidate.hash: candidate}
    store = MemoryStore()
    store.put(active.hash, archive_of(bundle_files_of(kept)))
    if is_stored:
        store.put(candidate.hash, archive_of(bundle_files_of(services, version=2)))
    engines_made = [] if made is None else made

    async def make(bundle: Bundle) -> Engine:
        engine = engine_of(bundle)
        if is_candidate_down and bundle is candidate:
            engine.down = "it does not start"
        engines_made.append(engine)
        return engine

    async def make_active(bundle: Bundle) -> Engine:
        if is_active_down:
            raise EngineError("OPA was not healthy within 20 s")
        return engine_of(bundle)

    def read(archive: bytes) -> Bundle:
        [found] = [one for one in bundles.values() if archive == store.kept[one.hash]]
        return found

    async def run() -> AssessmentResult:
        traffic, recorded = memory_traffic()
        journal = Journal(traffic.log, traffic.clock)
        state = await begin(journal, active, "", Justification("test", "begin", ""), ACTOR)
        policy = policy_of(accepted_bundle(active), engine_of(active), state.activation)
        await traffic.give(policy, {"card-vault": 40, "card-proxy": 2, "log-shipper": 500})
        engines = Engines(store, read, Makers(make_active, make_active))
        assessor = RecordedAssessor(
            Recorded(recorded, recorded, store),
            journal,
            engines,
            lambda: replace(make_policy(), exceptions=exceptions),
            read,
            make,
            traffic.clock,
        )
        try:
            return await assessor.assess(candidate.hash)
        finally:
            await engines.aclose()

    result = asyncio.run(run())
    [engine] = engines_made
    return result, engine


def test_what_a_bundle_gives_up_is_named() -> None:
    result, engine = assess([service("card-proxy")])
    assert result.losses == (LOST_VAULT,)
    assert (result.classes, result.verdicts) == (3, 542)
    assert (result.more, result.less) == (0, 40)
    assert engine.closed


def test_a_live_exception_hides_no_loss() -> None:
    soft = service("card-", "SOFT/1", level="soft")
    pattern = parse_pattern("glob", "card-vault", "test")
    lifted = LiveException("c9", frozenset({"SOFT/1"}), pattern, "", "", "a test", FAR_US, "")
    result, _ = assess([], kept=[soft], exceptions=Exceptions((lifted,)))
    assert f"card-vault@{PLACE} SOFT/1" in result.losses


def test_more_protection_loses_nothing() -> None:
    result, _ = assess([CARDS, service("log-", "SOX/404")])
    assert result.losses == ()
    assert (result.more, result.less) == (500, 0)


def test_the_report_says_all_and_names_the_losses_where_people_look() -> None:
    result, _ = assess([])
    report = json.loads(result.report)
    assert [loss["name"] for loss in report["losses"]] == list(result.losses)
    assert report["losses_hash"] == losses_hash(result.losses)
    assert report["unreadable"] == {}
    assert report["revision"].startswith("2-")


def test_what_is_in_force_and_cannot_be_served_keeps_no_other_bundle_out() -> None:
    result, _ = assess([], is_active_down=True)  # what was recorded stands for it
    assert LOST_VAULT in result.losses


def test_a_candidate_that_cannot_be_asked_has_no_impact_and_leaves_no_engine() -> None:
    made: list[FakeEngine] = []
    with pytest.raises(EngineError, match="cannot be asked"):
        assess([], is_candidate_down=True, made=made)
    assert [engine.closed for engine in made] == [True]


def test_a_bundle_that_is_not_in_the_store_has_no_impact() -> None:
    with pytest.raises(BundleError, match="not in the store"):
        assess([], is_stored=False)
