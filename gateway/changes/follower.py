"""Follows the log's journal, so that what this process serves is what is in force: the same in
every process that shares the log.

Between the moment that another activation is seen and the moment that it can be served, everything
is kept under its number; verdicts made before that moment are refused by the log itself (the
fence), so no verdict is ever recorded under an activation that is over.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from gateway.audit.errors import LogBrokenError
from gateway.audit.port import Log
from gateway.changes.assembly import Assembly
from gateway.changes.engines import Engines
from gateway.changes.journal import Journal
from gateway.changes.state import Change, Governance, Stage
from gateway.decisions.policy import ActivePolicy
from gateway.errors import ChangeRefusedError, ConfigError, GatewayError
from gateway.wire.verdicts import PolicyRef

LOOK_EVERY_SECONDS = 0.5


class Follower:
    """Call it for the policy in force; `start` first."""

    def __init__(
        self,
        journal: Journal,
        log: Log,
        assembly: Assembly,
        engines: Engines,
        publish: Callable[[PolicyRef], None] = lambda ref: None,
        appended: asyncio.Event | None = None,
    ) -> None:
        """`publish(ref)` is told of each activation; `appended` is set when this process appended
        to the journal, so that it looks at once."""
        self._journal = journal
        self._log = log
        self._assembly = assembly
        self._engines = engines
        self._publish = publish
        self._policy: ActivePolicy | None = None
        self._looking = asyncio.Lock()
        self._wake = appended or asyncio.Event()
        self._warming: asyncio.Task[None] | None = None
        self._looked_at = -1

    def __call__(self) -> ActivePolicy:
        if self._policy is None:
            raise ConfigError("no policy is in force yet")
        return self._policy

    @property
    def problem(self) -> str | None:
        """Why what is in force is not served, or None."""
        return self._policy.hold if self._policy is not None else "no policy is in force yet"

    async def start(self) -> ActivePolicy:
        """Serve what is in force; raises ConfigError, BundleError, EngineError and log errors."""
        state = await self._journal.refresh()
        if state.active is None:
            raise ConfigError("no policy is in force yet")
        await self._swap(await self._assembly.assemble(state, None))
        return self()

    def look_soon(self) -> None:
        """Somebody has met a newer activation number: do not wait for the next look."""
        self._wake.set()

    async def follow(self) -> None:
        """Look again and again; ends by cancellation."""
        while True:
            self._wake.clear()
            try:
                async with asyncio.timeout(LOOK_EVERY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            await self.look()

    async def look(self) -> None:
        """Take in what changed. A log that cannot be read changes nothing: nothing can be recorded
        then either, so nothing is answered. A journal that can be read and does not hold says not
        what is in force, so everything is kept."""
        async with self._looking:
            try:
                heads = await self._log.heads()
                # This process appends too, and has then read its journal before it looks here.
                if heads.journal != self._looked_at or self.problem is not None:
                    await self._catch_up()
                self._warm_up(self._journal.state)  # again, where an engine would not start
                await self._engines.retire(_used(self._journal.state))
            except (ChangeRefusedError, LogBrokenError) as error:
                self._hold(self().ref.activation, str(error))
            except GatewayError as error:
                self._explain(str(error))
            except Exception as error:  # noqa: BLE001 (a defect must not end the following)
                self._explain(f"a defect: {type(error).__name__}")

    async def _catch_up(self) -> None:
        state = await self._journal.refresh()
        policy = self()
        if state.activation != policy.ref.activation or policy.hold is not None:
            self._hold(state.activation, "what is in force is being made ready")
            await self._swap(await self._assembly.assemble(state, policy))
        self._looked_at = state.journal

    def _hold(self, activation: int, why: str) -> None:
        """Keep everything under the new number: collectors that hear it void their leases."""
        policy = self()
        ref = PolicyRef(activation, policy.ref.revision, policy.ref.bundle, policy.ref.floor)
        self._policy = replace(policy, ref=ref, hold=why)
        self._publish(ref)

    def _explain(self, why: str) -> None:
        """Say why everything is kept, where it is."""
        if self._policy is not None and self._policy.hold is not None:
            self._hold(self._policy.ref.activation, why)

    async def _swap(self, policy: ActivePolicy) -> None:
        self._policy = policy
        self._publish(policy.ref)

    def _warm_up(self, state: Governance) -> None:
        """An approved bundle will be asked soon: let its engine start now."""
        if self._warming is not None and not self._warming.done():
            return
        for change in filter(_is_coming, state.changes.values()):
            bundle = change.subject["bundle"]
            if not self._engines.is_ready(bundle):
                self._warming = asyncio.create_task(self._warm(bundle), name="engine-warm-up")
                return

    async def _warm(self, bundle: str) -> None:
        try:
            await self._engines.ready(bundle, is_candidate=True)
        except GatewayError:
            return  # it is tried again, and reported, when it is needed


def _used(state: Governance) -> set[str]:
    used = {one.subject["bundle"] for one in state.changes.values() if _is_coming(one)}
    if state.active is not None:
        used.add(state.active.bundle)
    if state.rollout is not None:
        used.add(state.rollout.bundle)
    return used


def _is_coming(change: Change) -> bool:
    return change.stage is Stage.APPROVED and "bundle" in change.subject
