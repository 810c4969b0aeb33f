"""Keeps one local OPA alive: starts, watches and restarts it (DESIGN: supervised mode).

A supervisor serves one bundle for its whole life; a new revision is a new supervisor. While OPA is
down, questions fail at once with `unreachable` and their classes are kept (P1).
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.engine.client import OpaAddress
from gateway.engine.handout import SEALED_NAME, Handout, handed_out
from gateway.engine.opa import EngineLimits, OpaEngine
from gateway.engine.port import EngineFailure, EngineVersion, RuleVerdict
from gateway.engine.process import (
    AUTHZ_NAME,
    AUTHZ_REVISION,
    POLICIES_NAME,
    OpaProcess,
    ProcessLimits,
    start_process,
)
from gateway.errors import EngineError
from gateway.wire.classes import ProcessClass, Sender


@dataclass(frozen=True, slots=True)
class SupervisionLimits:
    """Times in seconds. Policies of the largest size allowed may compile for seconds."""

    start_seconds: float = 20.0
    poll_seconds: float = 0.02
    probe_every_seconds: float = 1.0
    max_missed_probes: int = 3
    max_timeouts_in_a_row: int = 40
    first_backoff_seconds: float = 0.05
    max_backoff_seconds: float = 5.0
    steady_after_seconds: float = 30.0
    port_attempts: int = 5
    engine: EngineLimits = field(default_factory=EngineLimits)
    process: ProcessLimits = field(default_factory=ProcessLimits)


DEFAULT_LIMITS = SupervisionLimits()


class OpaSupervisor:
    """One OPA process after another, for one archive of one revision, and for the sealed data that
    belongs to it: without the right revision of either, no answer counts.

    `restarts` counts the starts after the first; `last_error` says why OPA last went down."""

    def __init__(
        self,
        bundle: "ServedBundle",
        opa: Path,
        limits: SupervisionLimits = DEFAULT_LIMITS,
    ) -> None:
        self._archive = bundle.archive
        self._sealed = sealed = bundle.sealed
        self._expected = {POLICIES_NAME: bundle.revision, AUTHZ_NAME: AUTHZ_REVISION}
        if sealed is not None:
            self._expected[SEALED_NAME] = sealed.revision
        self._opa = opa
        self._limits = limits
        self._process: OpaProcess | None = None
        self._engine: OpaEngine | None = None
        self._watch: asyncio.Task[None] | None = None
        self._suspicion = asyncio.Event()
        self._timeouts = 0
        self.restarts = 0
        self.last_error: str | None = None

    @property
    def engine(self) -> OpaEngine | None:
        """The engine over the running OPA; None while there is none."""
        return self._engine

    @property
    def pid(self) -> int | None:
        """The running OPA's process id, for status pages and fault tests."""
        return self._process.pid if self._process else None

    @property
    def address(self) -> OpaAddress | None:
        """Where the running OPA listens."""
        return self._process.address if self._process else None

    async def start(self) -> None:
        """Start OPA and return when it answers with the right revision; raises EngineError."""
        if self._watch is not None:
            raise EngineError("the supervisor is running already")
        await self._bring_up()
        self._watch = asyncio.create_task(self._keep_up(), name="opa-supervisor")

    async def aclose(self) -> None:
        """End OPA, reap it, and watch no more."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        await self._tear_down()

    async def _bring_up(self) -> None:
        for _ in range(self._limits.port_attempts):
            async with handed_out(self._sealed.archive if self._sealed else None) as handout:
                if await self._start_one(handout):
                    return
        raise EngineError("no free port on loopback stayed free long enough to start OPA")

    async def _start_one(self, handout: Handout | None) -> bool:
        """Whether an OPA serves now; not if something else took its port."""
        limits = self._limits
        self._process = await start_process(self._opa, self._archive, limits.process, handout)
        try:
            async with asyncio.timeout(limits.start_seconds):
                engine = await self._wait_healthy(self._process)
            self._process.remove_files()
            self._engine, self._timeouts = engine, 0
        except TimeoutError:
            await self._tear_down()
            raise EngineError(f"OPA was not healthy within {limits.start_seconds:g} s") from None
        except EngineError:
            clashed = self._process.met_taken_port
            await self._tear_down()
            if not clashed:
                raise
            return False
        except BaseException:
            await self._tear_down()
            raise
        return True

    async def _wait_healthy(self, process: OpaProcess) -> OpaEngine:
        engine = OpaEngine(process.address, self._expected, self._limits.engine, self._note_outcome)
        await engine.open()
        try:
            while await engine.health() is not None:
                if process.has_ended:
                    await asyncio.sleep(self._limits.poll_seconds)  # its last words
                    raise EngineError(f"OPA ended while starting: {process.last_words}")
                await asyncio.sleep(self._limits.poll_seconds)
            if (failure := await engine.connect()) is not None:
                raise EngineError(f"OPA started but does not serve: {failure.detail}")
        except BaseException:
            await engine.aclose()
            raise
        return engine

    async def _tear_down(self) -> None:
        engine, self._engine = self._engine, None
        process, self._process = self._process, None
        try:
            if process is not None:
                # Shielded: a cancelled supervisor must still not leave a process behind.
                await asyncio.shield(process.kill())
        finally:
            if engine is not None:
                await engine.aclose()

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = self._limits.first_backoff_seconds
        while True:
            since = loop.time()
            if self._engine is not None and self._process is not None:
                self.last_error = await self._watch_until_down(self._engine, self._process)
            await self._tear_down()
            if loop.time() - since > self._limits.steady_after_seconds:
                backoff = self._limits.first_backoff_seconds
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, self._limits.max_backoff_seconds)
            self.restarts += 1
            try:
                await self._bring_up()
            except EngineError as error:
                self.last_error = str(error)

    async def _watch_until_down(self, engine: OpaEngine, process: OpaProcess) -> str:
        """Returns why this OPA has to be replaced."""
        ended = asyncio.create_task(process.wait())
        missed = 0
        try:
            while True:
                await self._pause(ended)
                if process.has_ended:
                    return f"OPA ended: {process.last_words}"
                if self._timeouts >= self._limits.max_timeouts_in_a_row:
                    return f"{self._timeouts} questions in a row timed out"
                missed = 0 if await engine.health() is None else missed + 1
                if missed >= self._limits.max_missed_probes:
                    return f"OPA missed {missed} health probes in a row"
        finally:
            ended.cancel()

    async def _pause(self, ended: asyncio.Task[None]) -> None:
        """Until the next probe, the process's end, or a question that timed out."""
        suspected = asyncio.create_task(self._suspicion.wait())
        try:
            await asyncio.wait(
                (ended, suspected),
                timeout=self._limits.probe_every_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            suspected.cancel()
            self._suspicion.clear()

    def _note_outcome(self, code: str | None) -> None:
        if code in ("timeout", "unreachable"):
            self._timeouts += code == "timeout"
            self._suspicion.set()
        else:
            self._timeouts = 0  # it answered, if only with an error


class ServedArchive(Protocol):
    """A tar.gz that OPA loads, and its revision."""

    @property
    def archive(self) -> bytes: ...

    @property
    def revision(self) -> str: ...


class ServedBundle(ServedArchive, Protocol):
    """What the engine needs of a bundle: itself, and its sealed data, opened, where it has any."""

    @property
    def sealed(self) -> ServedArchive | None: ...


class SupervisedOpa:
    """The Engine port over a supervised OPA that serves one bundle. Close it after `start`."""

    def __init__(
        self, bundle: ServedBundle, opa: Path, limits: SupervisionLimits = DEFAULT_LIMITS
    ) -> None:
        self._supervisor = OpaSupervisor(bundle, opa, limits)
        self._version: EngineVersion | None = None

    @property
    def supervisor(self) -> OpaSupervisor:
        """For status: `restarts`, `last_error`, `pid`."""
        return self._supervisor

    @property
    def version(self) -> EngineVersion:
        """As the running OPA says (it may be another after a restart), while it is down as the last
        one did; raises EngineError before `start`."""
        if self._supervisor.engine is not None:
            self._version = self._supervisor.engine.version
        if self._version is None:
            raise EngineError("the engine has not been started")
        return self._version

    async def start(self) -> None:
        """Returns when OPA answers with the bundle's revision; raises EngineError."""
        await self._supervisor.start()
        _ = self.version  # what the first one said, should it go down before anybody asks

    async def evaluate(
        self, sender: Sender, windows: Sequence[str], classes: Sequence[ProcessClass]
    ) -> list[RuleVerdict | EngineFailure]:
        """One answer per class, by position; all `unreachable` while OPA is down."""
        engine = self._supervisor.engine
        if engine is None:
            failure = EngineFailure("unreachable", self._why_down())
            return [failure] * len(classes)
        return await engine.evaluate(sender, windows, classes)

    async def health(self) -> str | None:
        """None when OPA answers its probe, else why it is down."""
        engine = self._supervisor.engine
        return self._why_down() if engine is None else await engine.health()

    async def aclose(self) -> None:
        """Stop OPA; later questions fail as unreachable."""
        await self._supervisor.aclose()

    def _why_down(self) -> str:
        return self._supervisor.last_error or "OPA is not running"
