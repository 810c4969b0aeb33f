"""Two gateway processes over one log, and people who act on them in any order, some at the same
time, while processes die."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from hypothesis import strategies as st

from gateway.changes.people import Person
from gateway.errors import GatewayError
from tests.fakes.changes import ANN, BOB, CY, Queue, person

PEOPLE = (
    ANN,
    BOB,
    CY,
    person("approver", "ann", "another key"),
    person("approver", "eve", "ann"),
    person("operator", "Bob", "yet another key"),
)

# What is done, by whom, a number that chooses what it is about, and the process.
Act = tuple[str, Person, int, int]
Q = TypeVar("Q", bound=Queue)


class TwoProcesses(Generic[Q]):
    """Most acts are tried whether or not they may follow, since others may have come first. `done`
    are those that were taken; the act `name` is the method `_name`."""

    def __init__(self, first: Q, second: Q) -> None:
        """`second` has the clock and the store of `first`, and now gets its log, too."""
        self.queues = [first, second]
        second.log = first.log
        self.done: list[str] = []

    async def attempt(self, name: str, who: Person, number: int, process: int) -> None:
        """One act by one of the processes."""
        queue = self.queues[process]
        doing: Callable[[Q, Person, int], Awaitable[object]] = getattr(self, f"_{name}")
        await queue.journal.refresh()
        try:
            await doing(queue, who, number)
        except GatewayError:
            return
        self.done.append(name)

    async def play(self, plan: Sequence[Act], at_once: int = 1) -> None:
        """All acts; so many at a time run at the same time."""
        for place in range(0, len(plan), at_once):
            await asyncio.gather(*(self.attempt(*one) for one in plan[place : place + at_once]))

    def newest(self, queue: Q, number: int) -> str:
        """Mostly the newest change's id."""
        ids = list(queue.state.changes)
        return ids[-1 - number % len(ids)] if ids else "c999"

    async def _crash(self, queue: Q, who: Person, number: int) -> object:
        queue.restart()
        return await queue.journal.refresh()


def acts_of(names: Sequence[str]) -> st.SearchStrategy[Act]:
    """Any act of these names."""
    return st.tuples(
        st.sampled_from(names), st.sampled_from(PEOPLE), st.integers(0, 7), st.integers(0, 1)
    )


def fall_into(course: Sequence[Act], falling: Iterable[tuple[int, Act]]) -> list[Act]:
    """The course with the acts at their places."""
    plan = list(course)
    for place, one in sorted(falling, key=lambda pair: -pair[0]):
        plan.insert(place, one)
    return plan
