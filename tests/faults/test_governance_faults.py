"""Each command of people, with its entries not written, written and not answered, or written by a
process that then dies: the log stays one that may stand, and the command that is repeated happens
once, or is refused with a sentence."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from gateway.audit.port import Appended, Draft, Payload, Removal
from gateway.changes.approvals import Approving
from gateway.changes.scope import parse_exception, parse_protection
from gateway.changes.state import Governance
from gateway.errors import (
    ChangeRefusedError,
    ConflictError,
    GatewayError,
    LogUnavailableError,
)
from tests.fakes.change_auditor import ChangeAuditor
from tests.fakes.changes import ANN, BOB, MemoryStore, Queue, archive_of, everywhere
from tests.fakes.log import MemoryLog


class Fault(Enum):
    FAILED = "nothing is written"
    UNANSWERED = "it is written, and the writer is told that it failed"
    KILLED = "it is written, and the process dies"


class KilledError(BaseException):
    """The process ends here."""


class FaultyLog(MemoryLog):
    """The next append meets `fault`; the ones after it work."""

    fault: Fault | None = None

    async def append(
        self,
        drafts: Sequence[Draft],
        payloads: Sequence[Payload] = (),
        *,
        after: int | None = None,
        fence: int | None = None,
        removal: Removal | None = None,
    ) -> list[Appended]:
        fault, self.fault = self.fault, None
        if fault is Fault.FAILED:
            raise LogUnavailableError("disk full")
        places = await super().append(drafts, payloads, after=after, fence=fence, removal=removal)
        if fault is Fault.UNANSWERED:
            raise LogUnavailableError("no answer from the disk")
        if fault is Fault.KILLED:
            raise KilledError
        return places


class FaultyStore(MemoryStore):
    """Cannot be written while `failing`."""

    failing = False

    def put(self, hash: str, content: bytes) -> None:
        if self.failing:
            raise LogUnavailableError("the store cannot be written")
        super().put(hash, content)


def make_queue() -> tuple[Queue, FaultyLog]:
    queue = Queue(store=FaultyStore())
    log = FaultyLog(clock=queue.clock)
    queue.log = log
    queue.restart()
    return queue, log


PROTECTION = parse_protection("glob", "ledger-*", "an audit", "")
EXCEPTION = parse_exception(["SOFT/1"], "glob", "batch", "", "", 1, "full disks")


async def nothing(queue: Queue) -> None:
    """Only the first activation."""


async def a_waiting_bundle(queue: Queue) -> None:
    id = await queue.stage()
    await queue.test(id)
    await queue.assess(id)


async def a_rollout(queue: Queue) -> None:
    await a_waiting_bundle(queue)
    await queue.approve(newest(queue))
    await queue.step(newest(queue), 0, [everywhere(200), everywhere()])


async def a_halted_rollout(queue: Queue) -> None:
    await a_rollout(queue)
    await queue.service.rollback(ANN, "", "slow")


async def an_earlier_bundle(queue: Queue) -> None:
    await queue.bring_in_force(2)


async def a_request(queue: Queue) -> None:
    await queue.service.request_exception(ANN, EXCEPTION)


async def an_exception(queue: Queue) -> None:
    await a_request(queue)
    await queue.approve(newest(queue))


async def a_protection(queue: Queue) -> None:
    await queue.service.protect(ANN, PROTECTION)


def newest(queue: Queue) -> str:
    return list(queue.state.changes)[-1]


def approving(queue: Queue) -> Approving:
    return Approving(str(queue.state.changes[newest(queue)].subject.get("bundle", "")))


@dataclass(frozen=True)
class Command:
    """What a person does after `before`, and the entries that it leaves, once."""

    name: str
    before: Callable[[Queue], Awaitable[None]]
    do: Callable[[Queue], Awaitable[Any]]
    entries: tuple[str, ...]


def approve(queue: Queue) -> Awaitable[Any]:
    return queue.service.approve(BOB, newest(queue), approving(queue), "it is right", "T-1")


def reject(queue: Queue) -> Awaitable[Any]:
    return queue.service.reject(BOB, newest(queue), "it is wrong")


def rollback(queue: Queue) -> Awaitable[Any]:
    return queue.service.rollback(ANN, "", "it is wrong")


COMMANDS = (
    Command("stage", nothing, lambda q: q.stage(), ("change.staged",)),
    Command("approve", a_waiting_bundle, approve, ("change.approved",)),
    Command("reject", a_waiting_bundle, reject, ("change.rejected",)),
    Command("halt", a_rollout, rollback, ("rollout.halted",)),
    Command("end", a_halted_rollout, reject, ("rollout.ended",)),
    Command("rollback", an_earlier_bundle, rollback, ("change.staged", "rollout.stepped")),
    Command("protect", nothing, a_protection, ("protection.added",)),
    Command("confirm", a_protection, approve, ("change.approved",)),
    Command("take away", a_protection, reject, ("protection.removed",)),
    Command("ask", nothing, a_request, ("change.staged",)),
    Command("grant", a_request, approve, ("change.approved", "exception.granted")),
    Command(
        "revoke",
        an_exception,
        lambda q: q.service.revoke_exception(ANN, newest(q), "no longer"),
        ("exception.ended",),
    ),
)


async def types_after(log: FaultyLog, start: int) -> list[str]:
    return [entry.type for entry in await log.journal(start)]


async def verify(queue: Queue) -> Governance:
    """The log may stand, and whoever starts anew has the state that this process has."""
    ChangeAuditor().read(await queue.log.journal())
    state = await queue.folded()
    assert await queue.journal.refresh() == state
    return state


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_whose_entries_meet_a_fault_happens_once(command: Command, fault: Fault) -> None:
    async def story() -> None:
        queue, log = make_queue()
        await queue.begin()
        await command.before(queue)
        start = len(log.entries)
        log.fault = fault
        with pytest.raises((LogUnavailableError, KilledError)):
            await command.do(queue)
        if fault is Fault.KILLED:
            queue.restart()
        state = await verify(queue)
        is_written = fault is not Fault.FAILED
        assert await types_after(log, start) == (list(command.entries) if is_written else [])
        try:
            await command.do(queue)
        except (ChangeRefusedError, ConflictError):
            assert is_written, "refused although nothing was written"
        assert await types_after(log, start) == list(command.entries), "it happened twice"
        if is_written:
            assert await verify(queue) == state
        await verify(queue)

    asyncio.run(story())


@pytest.mark.parametrize("fault", Fault)
def test_a_refusal_whose_entry_meets_a_fault_changes_nothing(fault: Fault) -> None:
    async def story() -> None:
        queue, log = make_queue()
        await queue.begin()
        before = await verify(queue)
        log.fault = fault
        with pytest.raises((LogUnavailableError, KilledError)):
            await queue.service.stage_bundle(ANN, b"junk", "try this")
        queue.restart()
        with pytest.raises(ChangeRefusedError):
            await queue.service.stage_bundle(ANN, b"junk", "try this")
        assert await verify(queue) == before

    asyncio.run(story())


def test_a_bundle_that_cannot_be_kept_is_not_staged() -> None:
    async def story() -> None:
        queue, log = make_queue()
        await queue.begin()
        start = len(log.entries)
        queue.store.failing = True  # type: ignore[attr-defined]
        with pytest.raises(LogUnavailableError):
            await queue.stage()
        assert len(log.entries) == start
        queue.store.failing = False  # type: ignore[attr-defined]
        id = await queue.stage()
        assert queue.state.changes[id].subject["bundle"] in queue.store.kept

    asyncio.run(story())


def test_of_two_processes_that_stage_the_same_at_once_one_stages() -> None:
    async def story() -> None:
        queue, log = make_queue()
        await queue.begin()
        other = Queue(queue.clock, queue.store)
        other.log = log
        other.restart()

        async def stage(which: Queue) -> str | GatewayError:
            try:
                view = await which.service.stage_bundle(ANN, archive_of(2), "a rule")
            except GatewayError as error:
                return error
            return str(view["id"])

        ids = await asyncio.gather(stage(queue), stage(other), stage(queue))
        assert len(set(ids)) == 1, ids
        assert len(log.bodies("change.staged")) == 1
        await verify(queue)

    asyncio.run(story())
