"""What one process serves, as the log's journal goes on under it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.bundles.folder import Bundle
from gateway.changes.assembly import Assembly
from gateway.changes.engines import Engines, Makers
from gateway.changes.follower import Follower
from gateway.changes.journal import Journal
from gateway.changes.scope import parse_protection
from gateway.engine.port import Engine
from gateway.errors import EngineError
from gateway.wire.verdicts import PolicyRef
from tests.fakes.changes import ANN, CY, Queue, everywhere, opened
from tests.fakes.engine import FakeEngine


@dataclass
class Place:
    """A process beside the queue's: it sees what the queue appended only by looking. `failing` is
    what making an engine raises; `told` are all published policies."""

    queue: Queue = field(default_factory=Queue)
    failing: Exception | None = None
    told: list[PolicyRef] = field(default_factory=list)
    engines: dict[str, FakeEngine] = field(default_factory=dict)
    made: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        queue = self.queue
        self.live = Engines(
            queue.store,
            lambda archive: opened(archive).bundle,
            Makers(self._make, self._make),
            drain_seconds=0.0,
        )
        self.journal = Journal(queue.log, queue.clock)
        assembly = Assembly(self.live, lambda note: None, 90)
        self.follower = Follower(
            self.journal, queue.log, assembly, self.live, self.told.append, asyncio.Event()
        )

    async def _make(self, bundle: Bundle) -> Engine:
        if self.failing is not None:
            raise self.failing
        self.made.set()
        return self.engines.setdefault(bundle.revision, FakeEngine())

    @property
    def numbers(self) -> list[int]:
        """The activation numbers that collectors were told, each once."""
        return list(dict.fromkeys(ref.activation for ref in self.told))


def scenario(run: Callable[[Place], Awaitable[None]]) -> None:
    async def started() -> None:
        place = Place()
        await place.queue.begin()
        await place.follower.start()
        try:
            await run(place)
        finally:
            await place.live.aclose()

    asyncio.run(started())


def test_what_others_put_in_force_is_served_after_the_next_look() -> None:
    async def run(place: Place) -> None:
        wish = parse_protection("glob", "desk-*", "under attack", "")
        first = place.follower().ref
        await place.queue.service.protect(ANN, wish)
        assert place.follower().ref == first
        await place.follower.look()
        policy = place.follower()
        assert policy.ref.activation == place.queue.state.activation > first.activation
        assert policy.ref.bundle == first.bundle
        assert policy.ref.floor != first.floor
        assert policy.hold is None
        assert place.numbers == [first.activation, policy.ref.activation]

    scenario(run)


def test_what_cannot_be_served_is_told_and_everything_is_kept_until_it_can() -> None:
    async def run(place: Place) -> None:
        before = place.follower()
        place.failing = EngineError("no room for another OPA")
        await place.queue.bring_in_force(2)
        await place.follower.look()
        held = place.follower()
        assert held.ref.activation == place.queue.state.activation
        assert held.ref.bundle == before.ref.bundle
        assert held.hold == place.follower.problem == "no room for another OPA"
        assert place.numbers[-1] == held.ref.activation
        place.failing = None
        await place.follower.look()
        policy = place.follower()
        assert policy.hold is None
        assert policy.ref.revision.startswith("2-")
        assert policy.engine is place.engines[policy.ref.revision]

    scenario(run)


def test_a_defect_does_not_end_the_following() -> None:
    async def run(place: Place) -> None:
        place.failing = RuntimeError("nobody thought of this")
        await place.queue.bring_in_force(2)
        await place.follower.look()
        assert place.follower.problem == "a defect: RuntimeError"
        place.failing = None
        await place.follower.look()
        assert place.follower.problem is None

    scenario(run)


def test_a_log_that_cannot_be_read_changes_nothing() -> None:
    async def run(place: Place) -> None:
        policy = place.follower()
        await place.queue.bring_in_force(2)
        place.queue.log.failing = "the disk is gone"
        await place.follower.look()
        assert place.follower() is policy
        place.queue.log.failing = None
        await place.follower.look()
        assert place.follower().ref.activation == place.queue.state.activation

    scenario(run)


def test_an_approved_bundle_is_warm_before_its_rollout_and_closed_after_a_rejection() -> None:
    async def run(place: Place) -> None:
        queue = place.queue
        id = await queue.stage(2)
        await queue.test(id)
        await queue.assess(id)
        await place.follower.look()
        place.made.clear()
        bundle = str(queue.state.changes[id].subject["bundle"])
        assert not place.live.is_ready(bundle)
        await queue.approve(id)
        await place.follower.look()
        await asyncio.wait_for(place.made.wait(), 30)  # the look has begun it
        await place.live.ready(bundle, is_candidate=True)
        assert place.live.is_ready(bundle)
        await queue.service.reject(CY, id, "not this one")
        await place.follower.look()
        await place.follower.look()  # nobody uses it any more, and it has drained
        assert not place.live.is_ready(bundle)
        [engine] = [one for name, one in place.engines.items() if name.startswith("2-")]
        assert engine.closed
        assert place.follower().hold is None

    scenario(run)


def test_a_step_keeps_its_meter_while_other_things_change_and_the_next_has_a_new_one() -> None:
    async def run(place: Place) -> None:
        queue = place.queue
        id = await queue.stage(2)
        await queue.test(id)
        await queue.assess(id)
        await queue.approve(id)
        steps = [everywhere(200), everywhere()]
        await queue.step(id, 0, steps)
        await place.follower.look()
        first = place.follower().candidate
        await queue.service.protect(ANN, parse_protection("glob", "desk-*", "under attack", ""))
        await place.follower.look()
        second = place.follower().candidate
        await queue.step(id, 1, steps)
        await place.follower.look()
        third = place.follower().candidate
        assert first is not None
        assert second is not None
        assert third is not None
        assert second.meter is first.meter
        assert second.floor.hash != first.floor.hash
        assert third.meter is not first.meter

    scenario(run)
