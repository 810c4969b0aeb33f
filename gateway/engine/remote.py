"""The engine port over OPA servers of the user's, at https with certificates on both sides.

They fetch the bundle from the gateway or from elsewhere, at their own pace, so nothing is taken on
trust: an answer counts only if its provenance names the revision in force, and a server that says
another is left alone until it says the right one. With none left every class fails at once, and is
kept (P1).
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.engine.client import OpaAddress
from gateway.engine.opa import EngineLimits, OpaEngine
from gateway.engine.port import EngineFailure, EngineVersion, RuleVerdict
from gateway.errors import ConfigError, EngineError
from gateway.wire.classes import ProcessClass, Sender

Answer = RuleVerdict | EngineFailure

HTTPS_PORT = 443
# Another server may do better. A time-out is none of these: a class that loops does so anywhere.
_ELSEWHERE = frozenset({"unreachable", "wrong_revision", "other_version"})
_NOT_ASKED = EngineFailure("unreachable", "it has not been asked yet")
_CLOSED = EngineFailure("unreachable", "the engine is closed")


@dataclass(frozen=True, slots=True)
class RemoteLimits:
    """Times in seconds. A server is asked about its revision each `probe_every_seconds`; one that
    failed sooner at first, then at `max_backoff_seconds`."""

    probe_every_seconds: float = 1.0
    first_backoff_seconds: float = 0.1
    max_backoff_seconds: float = 1.0
    first_probe_seconds: float = 5.0
    engine: EngineLimits = field(default_factory=EngineLimits)


DEFAULT_LIMITS = RemoteLimits()


def parse_server(url: str, tls: ssl.SSLContext, token: str = "") -> OpaAddress:
    """The address of `https://host[:port]`; `tls` as `identity.tls.client_context` makes it.

    Raises ConfigError for any other URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    rest = (parts.username, parts.password, parts.path.strip("/"), parts.query, parts.fragment)
    if parts.scheme != "https" or not host or any(rest):
        # Not shown: what is wrong with it may be a password.
        raise ConfigError("an OPA server's address is https://HOST:PORT and nothing besides")
    shown = f"[{host}]" if ":" in host else host
    return OpaAddress(shown, HTTPS_PORT if port is None else port, token, tls)


class RemoteOpa:
    """The Engine port over one or more servers that must serve `expected` (bundle name to
    revision). Bundles named in `others` may be there too, whatever their revision.

    It belongs to one activation: another one has another `RemoteOpa`. All its answers come from
    servers of one OPA version at a time, since that stands in the log beside them. Close it after
    `start`."""

    def __init__(
        self,
        servers: Sequence[OpaAddress],
        expected: Mapping[str, str],
        others: Collection[str] = (),
        limits: RemoteLimits = DEFAULT_LIMITS,
    ) -> None:
        if not servers or not expected:
            raise ConfigError("a remote engine needs at least one server and one bundle name")
        self._limits = limits
        self._servers = [
            _Server(address, OpaEngine(address, expected, limits.engine, others=others))
            for address in servers
        ]
        self._version = EngineVersion("opa", "")
        self._turn = 0
        self._watches: list[asyncio.Task[None]] = []
        self._probed = asyncio.Event()
        self._closed = False

    @property
    def version(self) -> EngineVersion:
        """That of the servers which are asked; empty until one has answered."""
        return self._version

    async def start(self) -> None:
        """Returns when every server was asked once, or after a bounded time. Does not raise for
        servers that are down or behind: they are met when they are there; see `health`."""
        if self._watches:
            raise EngineError("the remote engine is running already")
        for server in self._servers:
            await server.engine.open()
            watch = self._watch(server)
            self._watches.append(asyncio.create_task(watch, name=f"opa {server.name}"))
        await self._wait_until(self._is_everyone_met, self._limits.first_probe_seconds)

    async def wait_for_revision(self, seconds: float) -> list[str]:
        """Wait until every server serves the expected revision; gives the names of those that do
        not yet, which are left out until they do.

        Raises EngineError when none serves it within the time."""
        await self._wait_until(lambda: len(self._ready()) == len(self._servers), seconds)
        if not self._ready():
            raise EngineError(f"no OPA server serves the expected revision: {self._why_down()}")
        ready = self._ready()
        return [server.name for server in self._servers if server not in ready]

    async def evaluate(
        self, sender: Sender, windows: Sequence[str], classes: Sequence[ProcessClass]
    ) -> list[Answer]:
        """One answer per class, by position. A server that is gone or behind is passed over for
        the next, within the deadline; all classes fail at once where there is none."""
        version, now = self._version, asyncio.get_running_loop().time
        deadline = now() + self._limits.engine.deadline_seconds
        answers: list[Answer] = [self._failure()] * len(classes)
        missing = list(range(len(classes)))
        for server in self._in_turn():
            asked = [classes[position] for position in missing]
            found = await server.engine.evaluate(sender, windows, asked, deadline - now())
            for position, answer in zip(missing, found, strict=True):
                answers[position] = answer
            missing = [position for position in missing if _is_elsewhere(answers[position])]
            if missing:
                server.suspect(answers[missing[0]])
            if not missing or now() >= deadline:
                break
        if self._version != version:  # exchanged meanwhile: the log would name the wrong one
            return [EngineFailure("other_version", "OPA was exchanged meanwhile")] * len(classes)
        return answers

    async def health(self) -> str | None:
        """None when at least one server serves the expected revision, else why none does."""
        if self._closed:
            return _CLOSED.detail
        return None if self._ready() else self._why_down()

    def problems(self) -> dict[str, str]:
        """What is amiss with which server, for a status page: also while others serve."""
        ready = self._ready()
        return {server.name: server.why for server in self._servers if server not in ready}

    async def aclose(self) -> None:
        """Ask nobody any more; the servers are not ours to stop."""
        self._closed = True
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        for server in self._servers:
            await server.engine.aclose()

    def _ready(self) -> list["_Server"]:
        if self._closed:
            return []
        return [
            server
            for server in self._servers
            if server.failure is None and server.engine.version == self._version
        ]

    def _in_turn(self) -> list["_Server"]:
        ready = self._ready()
        if not ready:
            return []
        self._turn = (self._turn + 1) % len(ready)
        return ready[self._turn :] + ready[: self._turn]

    def _failure(self) -> EngineFailure:
        """What a class gets when nobody can be asked. One that is behind says more than one that
        is gone."""
        if self._closed:
            return _CLOSED
        failures = [server.failure for server in self._servers if server.failure is not None]
        failures.sort(key=lambda failure: failure.code == "unreachable")
        return failures[0] if failures else _NOT_ASKED

    def _why_down(self) -> str:
        return "; ".join(f"{server.name}: {server.why}" for server in self._servers)

    async def _watch(self, server: "_Server") -> None:
        """Ask one server again and again; ends by cancellation."""
        backoff = self._limits.first_backoff_seconds
        while True:
            server.suspicion.clear()
            server.failure = await server.engine.connect()
            self._settle_version()
            self._probed.set()
            self._probed = asyncio.Event()
            if server.failure is None:
                backoff = self._limits.first_backoff_seconds
                await server.pause(self._limits.probe_every_seconds)
            else:
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, self._limits.max_backoff_seconds)

    def _settle_version(self) -> None:
        """Stay with the version as long as a server of it can be asked, else take another's."""
        if not self._ready():
            for server in self._servers:
                if server.failure is None:
                    self._version = server.engine.version
                    return

    def _is_everyone_met(self) -> bool:
        return all(server.failure is not _NOT_ASKED for server in self._servers)

    async def _wait_until(self, is_met: Callable[[], bool], seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not is_met():
                    await self._probed.wait()


class _Server:
    """One server and what is known of it. `failure` is None while it serves what is expected."""

    def __init__(self, address: OpaAddress, engine: OpaEngine) -> None:
        self.name = f"{address.host}:{address.port}"
        self.engine = engine
        self.failure: EngineFailure | None = _NOT_ASKED
        self.suspicion = asyncio.Event()

    @property
    def why(self) -> str:
        """Why it is not asked."""
        if self.failure is None:
            return f"it is OPA {self.engine.version.version}, unlike the others"
        return f"{self.failure.code}, {self.failure.detail}"

    def suspect(self, answer: Answer) -> None:
        """A question failed: ask nothing more before it was probed again."""
        if isinstance(answer, EngineFailure):
            self.failure = answer
            self.suspicion.set()

    async def pause(self, seconds: float) -> None:
        """Until the next probe is due, or a question failed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.suspicion.wait()


def _is_elsewhere(answer: Answer) -> bool:
    return isinstance(answer, EngineFailure) and answer.code in _ELSEWHERE
