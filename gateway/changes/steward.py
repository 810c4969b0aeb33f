"""The steward: the acts of the lifecycle that wait for no person. It tries and assesses what was
staged, advances or halts what was approved, does approved deeds, and ends exceptions on time.

Any number of processes may have one. Each act is decided on the newest state and appended only if
nobody was first, so nothing happens twice; nothing is remembered that the log does not hold, so a
steward that ends in the middle of an act leaves it to the next. Whatever fails is in `problem` and
is tried again, later each time.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway import canonical
from gateway.audit.port import Draft
from gateway.changes import examination
from gateway.changes.attempts import Attempts
from gateway.changes.deeds import Deeds
from gateway.changes.examination import Assessor, Trial
from gateway.changes.journal import JournalDraft, Records
from gateway.changes.promotion import expiry_draft
from gateway.changes.rollout import RolloutActs
from gateway.changes.state import Change, Governance
from gateway.clock import Clock
from gateway.errors import GatewayError

LOOK_EVERY_SECONDS = 0.5

_READING = "reading the journal"
_EXPIRING = "ending exceptions"
_WATCHING = "watching the rollout"
_ADVANCING = "advancing the rollout"
_DOING = "doing what was approved"


@dataclass(frozen=True, slots=True)
class Examiners:
    """Who tries and who assesses what was staged."""

    trial: Trial
    assessor: Assessor


class Steward:
    """One process's. `actor` is this gateway's SPIFFE id."""

    def __init__(
        self,
        records: Records,
        clock: Clock,
        actor: str,
        rollout: RolloutActs,
        examiners: Examiners,
        deeds: Deeds | None = None,
    ) -> None:
        """Without `deeds` those wait for another gateway."""
        self._journal = records.journal
        self._log = records.log
        self._store = records.store
        self._clock = clock
        self._actor = actor
        self._rollout = rollout
        self._examiners = examiners
        self._deeds = deeds
        self._attempts = Attempts(clock)
        self._ticking = asyncio.Lock()
        self._examining: asyncio.Task[None] | None = None
        self._latest_us = 0

    @property
    def problem(self) -> str | None:
        """What could not be done at the last try, and why; None when all is well."""
        return self._attempts.problem

    async def run(self) -> None:
        """Tick again and again; ends by cancellation, and what is under way with it."""
        try:
            while True:
                await self.tick()
                await asyncio.sleep(LOOK_EVERY_SECONDS)
        finally:
            await self.aclose()

    async def tick(self) -> None:
        """Everything that is due now. Trials and assessments take long: they go on beside it."""
        if self._ticking.locked():
            return
        async with self._ticking:
            await self._try(_READING, self._read)
            state = self._journal.state
            await self._try(_EXPIRING, lambda: self._expire(state))
            await self._try(_WATCHING, lambda: self._rollout.watch(state))
            state = self._journal.state
            await self._try(_ADVANCING, lambda: self._rollout.advance(state))
            if self._deeds is not None:
                await self._try(_DOING, partial(self._deeds.act, self._journal.state))
            self._examine_next(self._journal.state)

    async def settle(self) -> None:
        """Wait for the trial or assessment that is under way."""
        if self._examining is not None:
            await asyncio.wait((self._examining,))

    async def aclose(self) -> None:
        """End the trial or assessment that is under way; another steward will do it again."""
        if self._examining is not None:
            self._examining.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._examining
            self._examining = None

    async def _try(self, name: str, act: Callable[[], Awaitable[None]]) -> None:
        if not self._attempts.is_due(name):
            return
        try:
            await act()
        except GatewayError as error:
            self._attempts.fail(name, str(error))
        except Exception as error:  # noqa: BLE001 (a defect in one act must not end the others)
            self._attempts.fail(name, f"a defect: {type(error).__name__}")
        else:
            self._attempts.succeed(name)

    async def _read(self) -> None:
        await self._journal.refresh()

    async def _expire(self, state: Governance) -> None:
        """A clock that steps back revives nothing that it had ended."""
        self._latest_us = max(self._latest_us, self._clock.now_us())
        if all(self._latest_us < grant.expires_us for grant in state.exceptions):
            return

        def decide(newest: Governance) -> list[JournalDraft]:
            return [
                expiry_draft(newest.changes[grant.id], grant, self._actor)
                for grant in newest.exceptions
                if grant.expires_us <= self._latest_us
            ]

        await self._journal.append(self._actor, decide)

    def _examine_next(self, state: Governance) -> None:
        if self._examining is not None and not self._examining.done():
            return
        waiting = list(examination.unexamined(state))
        fixed = (_READING, _EXPIRING, _WATCHING, _ADVANCING, _DOING)
        self._attempts.keep((*fixed, *map(_examining, waiting)))
        for change in waiting:
            if self._attempts.is_due(_examining(change)):
                work = self._try(_examining(change), partial(self._examine, change))
                self._examining = asyncio.create_task(work, name=f"examine-{change.id}")
                return

    async def _examine(self, change: Change) -> None:
        if examination.needs_trial(change):
            await self._test(change)
        else:
            await self._assess(change)

    async def _test(self, change: Change) -> None:
        outcome = await self._examiners.trial(change)
        draft = examination.tested_draft(change, outcome)
        is_first = False

        def decide(newest: Governance) -> Sequence[JournalDraft]:
            nonlocal is_first
            is_first = examination.needs_trial(newest.changes[change.id])
            return [draft] if is_first else []

        await self._journal.append(self._actor, decide)
        if is_first and not outcome.passed:
            body = canonical.encode({**examination.refusal_body(change, outcome)})
            await self._log.append([Draft("bundle.refused", self._actor, body)])

    async def _assess(self, change: Change) -> None:
        in_force = self._journal.state.active
        result = await self._examiners.assessor.assess(change.subject["bundle"])
        report = await asyncio.to_thread(examination.keep_report, self._store, result.report)
        draft = examination.assessed_draft(change, result, report)

        def decide(newest: Governance) -> Sequence[JournalDraft]:
            is_current = newest.active == in_force  # else it is assessed again
            is_wanted = examination.needs_assessment(newest.changes[change.id])
            return [draft] if is_current and is_wanted else []

        await self._journal.append(self._actor, decide)


def _examining(change: Change) -> str:
    return f"examining {change.id}"
