"""What a candidate does to recorded traffic: moves, losses by name, shares, frameworks."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest

from gateway import canonical
from gateway.clock import ManualClock, SystemClock, format_time
from gateway.decisions.policy import ActivePolicy
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.errors import EngineError
from gateway.impact.assessment import assess
from gateway.impact.report import Impact, Tally, losses_hash
from gateway.impact.side import CONCURRENT_QUESTIONS, Side, side_of
from gateway.recorded.floors import floor_over
from gateway.recorded.reading import RecordedClass, read_recorded
from gateway.wire.classes import ProcessClass, Sender
from gateway.wire.verdicts import Reason
from tests.fakes.decisions import DAY_US, NOW_US
from tests.fakes.engine import Answer, FakeEngine, name_of
from tests.fakes.recorded import Traffic, bundle_of, memory_traffic, policy_of

FIRST = format_time(NOW_US)[:10]
LAST = format_time(NOW_US + 5 * DAY_US)[:10]
PCI = Reason("PCI-DSS-4.0.1/10.2.1", "rules.pci", "hard", "card data")
SOX = Reason("SOX/404", "rules.sox", "soft", "reports")
DEV = Sender("dev", "us-east-1", "edge")

Rules = Mapping[str, Sequence[Reason]]
Give = Callable[[Traffic, ActivePolicy], Coroutine[Any, Any, None]]


def engine_of(rules: Rules, windows: Mapping[str, str] | None = None) -> FakeEngine:
    """Keeps names by their prefix, in a window alone where `windows` names one."""
    engine = WindowEngine(windows or {})

    def decide(process_class: ProcessClass) -> Answer:
        for prefix, reasons in rules.items():
            needed = engine.windows.get(prefix)
            if name_of(process_class).startswith(prefix) and needed in (None, *engine.open):
                return RuleVerdict("protect", "keep", 1000, tuple(reasons))
        return RuleVerdict("permit", process_class.action, process_class.sample_permille)

    engine.decide = decide
    return engine


class WindowEngine(FakeEngine):
    """Knows which windows it is asked in."""

    def __init__(self, windows: Mapping[str, str]) -> None:
        super().__init__()
        self.windows = windows
        self.open: tuple[str, ...] = ()

    async def evaluate(
        self, sender: Sender, windows: Sequence[str], classes: Sequence[ProcessClass]
    ) -> list[Answer]:
        self.open = tuple(windows)
        return await super().evaluate(sender, windows, classes)


def side(
    rules: Rules,
    *,
    never_filter: Sequence[Mapping[str, Any]] = (),
    windows: Sequence[Mapping[str, Any]] = (),
    within: Mapping[str, str] | None = None,
    **more: Any,
) -> Side:
    bundle = bundle_of(never_filter=never_filter, windows=windows, **more)
    return side_of(bundle, floor_over(None, never_filter, ()), engine_of(rules, within))


def recorded_under(rules: Rules, give: Give) -> Sequence[RecordedClass]:
    traffic, recorded = memory_traffic()
    bundle = bundle_of()
    policy = policy_of(bundle, engine_of(rules))
    asyncio.run(give(traffic, policy))
    return read_recorded(recorded, recorded, FIRST, LAST, lambda _: bundle.schedule).classes


def run(candidate: Side, active: Side, recorded: Sequence[RecordedClass]) -> Impact:
    return asyncio.run(assess(candidate, active, recorded, SystemClock()))


async def usual(traffic: Traffic, policy: ActivePolicy) -> None:
    await traffic.give(policy, {"card-vault": 10, "card-proxy": 5, "ledger": 3, "game": 100})
    await traffic.give(policy, {"card-vault": 2}, sender=DEV)


BEFORE: Rules = {"card-": [PCI], "ledger": [SOX]}


def test_the_same_policy_changes_nothing() -> None:
    impact = run(side(BEFORE), side(BEFORE), recorded_under(BEFORE, usual))
    assert impact.verdicts == 120
    assert impact.classes == 5
    assert impact.moves == impact.changed_now == Tally(same=120, classes_same=5)
    assert impact.losses == impact.given_up == ()
    assert impact.by_process == {}
    assert impact.obligations_changed == 0
    assert impact.kept_recorded_ppm == impact.kept_candidate_ppm == 20 * 1_000_000 // 120


def test_losses_are_named_and_gains_counted() -> None:
    after: Rules = {"card-vault": [PCI], "game": [SOX]}
    impact = run(side(after), side(BEFORE), recorded_under(BEFORE, usual))
    assert [loss.name for loss in impact.losses] == [
        "card-proxy@production/eu-west-1 PCI-DSS-4.0.1/10.2.1",
        "ledger@production/eu-west-1 SOX/404",
    ]
    proxy = impact.losses[0]
    assert (proxy.before, proxy.after, proxy.verdicts, proxy.classes) == (
        "keep (hard)",
        "drop",
        5,
        1,
    )
    assert impact.moves == Tally(100, 8, 12, 1, 2, 2)
    assert impact.by_environment == {
        "dev": Tally(same=2, classes_same=1),
        "production": Tally(100, 8, 10, 1, 2, 1),
    }
    assert impact.by_framework == {
        "PCI DSS 4.0.1": Tally(0, 5, 12, 0, 1, 2),
        "SOX": Tally(100, 3, 0, 1, 1, 0),
    }
    assert impact.by_process["game@production/eu-west-1"] == Tally(more=100, classes_more=1)
    assert impact.kept_candidate_ppm == 112 * 1_000_000 // 120


def test_the_floor_is_under_the_candidate_too() -> None:
    row = {"id": "card", "regex": "^card-", "control": "PCI-DSS-4.0.1/10.2.1", "reason": "r"}
    impact = run(side({}, never_filter=[row]), side({}), recorded_under(BEFORE, usual))
    assert [loss.process for loss in impact.given_up] == ["ledger"]
    without = run(side({}), side({}, never_filter=[row]), recorded_under(BEFORE, usual))
    assert {loss.process for loss in without.losses} == {"card-vault", "card-proxy"}


def test_a_process_that_nobody_proposed_to_drop_loses_protection_too() -> None:
    async def kept(traffic: Traffic, policy: ActivePolicy) -> None:
        await traffic.give(policy, {"card-vault": 4}, action="keep")

    impact = run(side({}), side(BEFORE), recorded_under(BEFORE, kept))
    assert [loss.after for loss in impact.losses] == ["keep"]
    assert impact.kept_candidate_ppm == 1_000_000


def test_a_weaker_level_is_a_loss() -> None:
    soft = Reason(PCI.control, PCI.rule, "soft", PCI.message)
    impact = run(side({"card-": [soft]}), side(BEFORE), recorded_under(BEFORE, usual))
    assert {loss.after for loss in impact.losses if loss.process != "ledger"} == {"keep (soft)"}


def test_what_is_in_force_already_gives_up_is_not_this_changes_loss() -> None:
    impact = run(side({"ledger": [SOX]}), side({"ledger": [SOX]}), recorded_under(BEFORE, usual))
    assert impact.losses == ()
    assert {loss.name for loss in impact.given_up} == {
        "card-proxy@production/eu-west-1 PCI-DSS-4.0.1/10.2.1",
        "card-vault@production/eu-west-1 PCI-DSS-4.0.1/10.2.1",
        "card-vault@dev/us-east-1 PCI-DSS-4.0.1/10.2.1",
    }
    assert impact.moves.less == 17
    assert impact.changed_now.less == 0


def test_what_is_in_force_gained_since_counts_as_a_loss() -> None:
    impact = run(side({}), side({"game": [SOX]}), recorded_under({}, usual))
    assert [loss.process for loss in impact.losses] == ["game"]
    assert impact.moves == Tally(same=120, classes_same=5)


WINDOW = {"name": "night", "zone": "UTC", "days": ["fri"], "from": "04:00", "to": "05:00"}


def test_a_loss_in_one_hour_of_the_span_is_a_loss() -> None:
    """The recorded traffic began at 03:04 on a Friday; the window is open from 04:00."""
    within = {"card-": "night"}
    active = side(BEFORE, windows=[WINDOW], within=within)
    candidate = side({"ledger": [SOX]}, windows=[WINDOW])
    impact = run(candidate, active, recorded_under({"ledger": [SOX]}, usual))
    assert {loss.process for loss in impact.losses} == {"card-vault", "card-proxy"}
    same = run(active, side(BEFORE, windows=[WINDOW], within=within), recorded_under({}, usual))
    assert same.losses == ()


def test_a_class_is_asked_as_the_candidate_declares_it() -> None:
    candidate = side({}, attributes=["process.executable.name", "host.rack"])
    impact = run(candidate, side({}), recorded_under({}, usual))
    assert impact.unrecorded_attributes == ("host.rack",)
    engine = candidate.engine
    assert isinstance(engine, FakeEngine)
    assert all(item.score == 250 for _, _, asked in engine.asked for item in asked)


def test_each_different_class_is_asked_once_however_often_it_was_seen() -> None:
    async def days(traffic: Traffic, policy: ActivePolicy) -> None:
        for _ in range(4):
            await usual(traffic, policy)
            traffic.clock.advance(86_400)

    candidate = side(BEFORE)
    impact = run(candidate, side(BEFORE), recorded_under(BEFORE, days))
    assert (impact.verdicts, impact.classes) == (480, 5)
    engine = candidate.engine
    assert isinstance(engine, FakeEngine)
    assert sum(len(asked) for _, _, asked in engine.asked) == 5


def test_a_failing_candidate_keeps_and_says_so() -> None:
    candidate = side(BEFORE)
    engine = candidate.engine
    assert isinstance(engine, FakeEngine)
    engine.answers["game"] = EngineFailure("builtin_error")
    impact = run(candidate, side(BEFORE), recorded_under(BEFORE, usual))
    assert impact.failures == {"builtin_error": 1}
    assert impact.moves.more == 100


def test_where_the_active_engine_fails_the_record_stands_for_it() -> None:
    active = side(BEFORE)
    engine = active.engine
    assert isinstance(engine, FakeEngine)
    engine.answers["game"] = EngineFailure("builtin_error")
    impact = run(side(BEFORE), active, recorded_under(BEFORE, usual))
    assert impact.losses == ()


def test_an_engine_that_is_not_there_is_an_error_and_no_impact() -> None:
    candidate = side(BEFORE)
    engine = candidate.engine
    assert isinstance(engine, FakeEngine)
    engine.down = "gone"
    with pytest.raises(EngineError, match="unreachable"):
        run(candidate, side(BEFORE), recorded_under(BEFORE, usual))


def test_a_gateway_that_serves_beside_it_goes_on() -> None:
    """Few questions at a time, and the event loop runs in between."""

    class Counted(FakeEngine):
        running = most = 0

        async def evaluate(self, *asked: Any) -> list[Answer]:
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0.001)
            self.running -= 1
            return await super().evaluate(*asked)

    async def many(traffic: Traffic, policy: ActivePolicy) -> None:
        await traffic.give(policy, {f"game-{number}": 1 for number in range(1000)})
        await traffic.give(policy, {f"game-{number}": 1 for number in range(1000)}, sender=DEV)

    recorded = recorded_under({}, many)
    engines = Counted(), Counted()
    bundle = bundle_of()
    sides = [side_of(bundle, floor_over(None, (), ()), engine) for engine in engines]
    ticks = 0
    seen: list[tuple[int, int]] = []

    async def main() -> None:
        nonlocal ticks
        task = asyncio.create_task(
            assess(sides[0], sides[1], recorded, ManualClock(), lambda *n: seen.append(n))
        )
        while not task.done():
            ticks += 1
            await asyncio.sleep(0)
        await task

    asyncio.run(main())
    assert 1 <= engines[0].most <= CONCURRENT_QUESTIONS
    assert ticks > 10
    assert seen[-1] == (4000, 4000)


def test_the_record_is_the_same_bytes_each_time() -> None:
    recorded = recorded_under(BEFORE, usual)
    clock = ManualClock()
    made = [
        asyncio.run(assess(side({"ledger": [SOX]}), side(BEFORE), order, clock))
        for order in (recorded, list(reversed(recorded)))
    ]
    assert canonical.encode(made[0].record()) == canonical.encode(made[1].record())
    names = [loss.name for loss in made[0].losses]
    assert made[0].record()["losses_hash"] == losses_hash(list(reversed(names)))


def test_nothing_recorded_is_no_impact() -> None:
    impact = run(side({}), side(BEFORE), ())
    assert (impact.verdicts, impact.kept_candidate_ppm, impact.losses) == (0, 0, ())
