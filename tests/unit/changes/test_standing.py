import asyncio
from typing import Any

from gateway.changes.activation import Activation
from gateway.changes.standing import StandingPolicy
from gateway.decisions.service import DecisionService
from gateway.errors import GatewayError
from tests.fakes.decisions import NOW_US, Desk, make_desk, make_policy, proposal
from tests.fakes.log import ACTOR


class Rows:
    """The activation in force, as another process may change it; `error` is raised instead."""

    def __init__(self, number: int | None) -> None:
        self.number = number
        self.error: GatewayError | None = None

    def newest(self) -> Activation | None:
        if self.error is not None:
            raise self.error
        if self.number is None:
            return None
        return Activation(self.number, "c" * 64, "8-00cc", 8, "f" * 64, NOW_US)


def desk_over(standing: StandingPolicy) -> Desk:
    """A decision service whose policy is what stands."""
    desk = make_desk()
    desk.service = DecisionService(standing, desk.log, desk.clock, ACTOR)
    return desk


def verdict_after(rows: Rows, change: int | None) -> tuple[dict[str, Any], StandingPolicy]:
    """The answer to a class that had a lease, once the rows say `change`."""
    standing = StandingPolicy(make_policy(activation=3), rows)
    desk = desk_over(standing)

    async def run() -> dict[str, Any]:
        before = await desk.ask(proposal("log-shipper"))
        assert before["verdicts"][0]["action"] == "drop"
        assert before["verdicts"][0]["lease"] is not None
        rows.number = change
        await standing.look()
        return await desk.ask(proposal("log-shipper"))

    return asyncio.run(run()), standing


def test_nothing_is_dropped_once_another_activation_is_in_force() -> None:
    answer, standing = verdict_after(Rows(3), 9)
    assert answer["verdicts"][0]["action"] == "keep"
    assert answer["verdicts"][0]["lease"] is None
    assert answer["policy"]["activation"] == 9  # so that collectors void what they hold
    assert standing.problem == "activation 9 is in force and this gateway serves 3; restart it"


def test_nor_under_one_that_is_gone_or_older() -> None:
    for change in (None, 2):
        answer, standing = verdict_after(Rows(3), change)
        assert answer["verdicts"][0]["lease"] is None
        assert standing.problem is not None


def test_what_still_stands_or_cannot_be_read_changes_nothing() -> None:
    rows = Rows(3)
    policy = make_policy(activation=3)
    standing = StandingPolicy(policy, rows)
    asyncio.run(standing.look())
    rows.error = GatewayError("locked")
    asyncio.run(standing.look())
    assert standing() is policy
    assert standing.problem is None
