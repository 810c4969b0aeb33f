"""P3: every verdict that is answered stood in the log before the answer; no entry, no answer."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.errors import LogUnavailableError
from tests.fakes.decisions import Desk, make_desk, make_policy, proposal, verify_answer_recorded
from tests.fakes.engine import FakeEngine

names = st.sampled_from(["a", "b", "c", "payment-gateway-1", "odd", "bad"])
batches = st.lists(names, min_size=1, max_size=5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), batches),
        st.tuples(st.just("log"), st.sampled_from([None, None, "disk full"])),
        st.tuples(st.just("open"), st.booleans()),
        st.tuples(st.just("swap"), st.integers(4, 6)),
        st.tuples(st.just("tick"), st.integers(-3, 400)),
    ),
    min_size=1,
    max_size=14,
)


def build(name: str, position: int) -> dict[str, Any]:
    made = proposal(name, ref=str(position))
    return {**made, "action": "erase"} if name == "bad" else made


async def ask(desk: Desk, batch: list[str]) -> dict[str, Any] | None:
    """The answer, checked against the log at the moment it is there; None when refused."""
    held = len(desk.log.entries)
    try:
        answer = await desk.ask(*[build(name, i) for i, name in enumerate(batch)])
    except LogUnavailableError:
        return None
    assert held < len(desk.log.entries)
    verify_answer_recorded(desk.log, answer)
    assert len(answer["refs"]) == len(batch)
    for name, (ref, position) in zip(batch, answer["refs"], strict=True):
        verdict = answer["verdicts"][position]
        assert batch[int(ref)] == name
        if name in ("payment-gateway-1", "odd", "bad"):
            assert verdict["action"] == "keep"
        if verdict["effect"] == "fail_safe":
            assert verdict["lease"] is None
    return answer


def policy_of(activation: int) -> Any:
    engine = FakeEngine(
        answers={
            "odd": EngineFailure("timeout"),
            "c": RuleVerdict("protect", "sample", 100 + activation),
        }
    )
    return make_policy(engine, activation=activation)


async def play(plan: list[tuple[str, Any]]) -> None:
    desk = make_desk(policy_of(3))
    tasks: list[asyncio.Task[dict[str, Any] | None]] = []
    failures = 0
    for kind, value in plan:
        if kind == "ask":
            tasks.append(asyncio.create_task(ask(desk, value)))
        elif kind == "log":
            desk.log.failures.append(value)
            failures += value is not None
        elif kind == "open" and value:
            desk.log.gate.set()
        elif kind == "open":
            desk.log.gate.clear()
        elif kind == "swap":
            desk.policy = policy_of(value)
        else:
            desk.clock.advance(value)
        for _ in range(3):
            await asyncio.sleep(0)
        if not desk.log.gate.is_set():
            assert desk.log.waiting == sum(not task.done() for task in tasks)
    desk.log.gate.set()
    answers = await asyncio.gather(*tasks)
    assert sum(answer is None for answer in answers) <= failures
    decisions = len(desk.log.bodies("decisions"))
    assert decisions == sum(answer is not None for answer in answers)


@given(plan=steps)
@settings(deadline=None, print_blob=True)
def test_no_verdict_leaves_before_its_entry_stands(plan: list[tuple[str, Any]]) -> None:
    asyncio.run(play(plan))
