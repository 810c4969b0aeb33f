"""The gateway's side of witnessing: submit the newest checkpoint to each witness, gather their
cosignatures, and hear when one of them has seen another log under our key."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from gateway.audit.witness_client import WitnessAddress, WitnessAnswer, WitnessClient
from gateway.audit.witnessed_log import WitnessedLog
from gateway.clock import Clock
from gateway.errors import GatewayError, VerificationError
from gateway.transparency.cosignature import verify_cosignatures
from gateway.transparency.notes import split_note
from gateway.transparency.witness_policy import WitnessPolicy

WITNESSED_AHEAD = "witnessed_ahead"
FORK_SEEN = "fork_seen"
KEEP_SECONDS = 3600
MAX_TRIES = 4  # a size that we did not know, a newer checkpoint meanwhile, and one more of each

_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n")
_log = structlog.get_logger("gateway.witnesses")

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WitnessStatus:
    """One witness, as of the last submission: the newest size that it told of or cosigned, when
    it last cosigned (the size), what kept it from cosigning, and whether that is an alarm."""

    known_size: int = 0
    cosigned_size: int = 0
    failure: str | None = None
    alarm: str | None = None


class Witnesses:
    """Submits at most every `interval_seconds`, apart from everything else: a slow or dead witness
    delays nobody. Its word is not trusted for more than this: a longer or another log under our key
    is an alarm, which ends when the same witness cosigns again."""

    def __init__(
        self,
        log: WitnessedLog,
        policy: WitnessPolicy,
        addresses: Sequence[WitnessAddress],
        client: WitnessClient,
        interval_seconds: float,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._log = log
        self._policy = policy
        self._addresses = tuple(addresses)
        self._client = client
        self._interval_seconds = interval_seconds
        self._sleep = sleep
        self._statuses = {address.name: WitnessStatus() for address in addresses}
        self._met_size = 0
        self._stored = StoredNotes(clock)

    @property
    def statuses(self) -> dict[str, WitnessStatus]:
        """Each witness by the policy's name for it."""
        return dict(self._statuses)

    @property
    def met_size(self) -> int:
        """The largest checkpoint that this process saw meet the policy, 0 before the first."""
        return self._met_size

    def problem(self) -> str | None:
        """Why nothing more may be signed, or None. Begins with `fork_seen: ` or
        `witnessed_ahead: `."""
        alarms = sorted(status.alarm for status in self._statuses.values() if status.alarm)
        return alarms[0] if alarms else None  # fork_seen comes first

    def newest_seen(self) -> int:
        """The largest size that any witness told of or cosigned."""
        return max((status.known_size for status in self._statuses.values()), default=0)

    async def run(self) -> None:
        """Submit until cancelled."""
        while True:
            try:
                await self.submit_newest()
            except GatewayError as error:
                _log.warning("witnesses not asked", reason=str(error))
            except Exception as error:  # noqa: BLE001 - one bad round must not be the last
                _log.error("witnesses not asked", kind=type(error).__name__)
            await self._sleep(self._interval_seconds)

    async def submit_newest(self) -> None:
        """One round over all witnesses at once; each one's cosignature is stored when it comes.
        Raises LogUnavailableError."""
        note = await self._log.newest()
        if note is None:
            return
        size = _size_of(note)
        due = [
            address
            for address in self._addresses
            if self._statuses[address.name].cosigned_size != size
        ]
        await asyncio.gather(*(self._submit(address, note) for address in due))
        if dropped := self._stored.superseded():
            await self._log.drop_cosigned(dropped)

    async def look(self, note: str) -> None:
        """Ask every witness what it has seen, with the newest checkpoint that is at hand and no
        proof; then `problem` and `newest_seen` say. Asks the log for nothing, so that it can be
        called before anything is signed."""
        size = _size_of(note)

        async def look_at(address: WitnessAddress) -> None:
            answer = await self._client.submit(address, size, [], note)
            told = _told_size(answer)
            if told is not None and told > size:
                self._alarm(address, told, WITNESSED_AHEAD, _ahead(address, told, size))
            elif told == size:
                self._alarm(address, told, FORK_SEEN, _other_root(address, size))
            elif told is not None or answer.status == HTTPStatus.OK:
                known_size = size if told is None else told
                self._statuses[address.name] = WitnessStatus(known_size=known_size)
            else:
                self._fail(address, _unusable(answer))

        await asyncio.gather(*(look_at(address) for address in self._addresses))

    async def _submit(self, address: WitnessAddress, note: str) -> None:
        try:
            await self._converse(address, note)
        except GatewayError as error:
            self._fail(address, str(error))

    async def _converse(self, address: WitnessAddress, note: str) -> None:
        old = self._statuses[address.name].known_size
        for _ in range(MAX_TRIES):
            size = _size_of(note)
            if old > size:  # another gateway of this log may have been there since
                note = await self._log.newest() or note
                if (size := _size_of(note)) < old:
                    self._alarm(address, old, WITNESSED_AHEAD, _ahead(address, old, size))
                    return
            proof = await self._log.consistency(old, size)
            answer = await self._client.submit(address, old, proof, note)
            told = _told_size(answer)
            if told is None:
                await self._settle(address, answer, old, size, note)
                return
            if told == old:
                if old == size:
                    self._alarm(address, old, FORK_SEEN, _other_root(address, size))
                else:
                    self._fail(address, f"says 409 and the size {old} that it was asked with")
                return
            old = told
        self._fail(address, "names another size at each try")

    async def _settle(
        self, address: WitnessAddress, answer: WitnessAnswer, old: int, size: int, note: str
    ) -> None:
        if answer.status == HTTPStatus.OK:
            await self._take(address, answer, size, note)
        elif answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and old > 0:
            self._alarm(address, old, FORK_SEEN, _not_extended(address, old, size))
        elif answer.status == HTTPStatus.CONFLICT and old == size:
            # Not every witness names the size here: it does where the old size was wrong.
            self._alarm(address, old, FORK_SEEN, _other_root(address, size))
        else:
            self._fail(address, _unusable(answer))

    async def _take(
        self, address: WitnessAddress, answer: WitnessAnswer, size: int, note: str
    ) -> None:
        try:
            text, _ = split_note(note)
            lines = verify_cosignatures(text, answer.body, address.verifier)
        except VerificationError as error:
            self._fail(address, f"cosigned wrongly: {error}")
            return
        if not lines:
            self._fail(address, "answered without a cosignature of its key")
            return
        merged = await self._log.add_cosignatures(size, note, lines)
        self._statuses[address.name] = WitnessStatus(known_size=size, cosigned_size=size)
        is_met = self._policy.is_met(merged)
        if is_met:
            self._met_size = max(self._met_size, size)
        self._stored.note(size, frozenset(self._policy.cosigners(merged)), is_met)

    def _fail(self, address: WitnessAddress, failure: str) -> None:
        before = self._statuses[address.name]
        if before.failure != failure:
            _log.warning("witness did not cosign", witness=address.name, reason=failure)
        # What a witness alarmed about stands until it cosigns: silence takes nothing back.
        self._statuses[address.name] = WitnessStatus(
            before.known_size, before.cosigned_size, failure, before.alarm
        )

    def _alarm(self, address: WitnessAddress, seen: int, kind: str, reason: str) -> None:
        before = self._statuses[address.name]
        alarm = f"{kind}: {reason}"
        if before.alarm != alarm:
            _log.error("witness alarm", witness=address.name, reason=alarm)
        self._statuses[address.name] = WitnessStatus(
            max(seen, before.known_size), before.cosigned_size, reason, alarm
        )


class StoredNotes:
    """Which cosigned checkpoints may go: a larger one with at least the same witnesses proves all
    that they prove. One an hour stays for good, so that the table grows with time and not with
    traffic."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._standing: dict[int, tuple[bool, frozenset[str]]] = {}
        self._kept_at_ns: int | None = None

    def note(self, size: int, cosigners: frozenset[str], is_met: bool) -> None:
        """A checkpoint is stored with these witnesses."""
        self._standing[size] = (is_met, cosigners)

    def superseded(self) -> list[int]:
        """The sizes to drop now."""
        if not self._standing:
            return []
        best = max(self._standing, key=lambda size: (self._standing[size][0], size))
        is_met, cosigners = self._standing[best]
        dropped = [
            size
            for size, (_, others) in self._standing.items()
            if size < best and (is_met or others <= cosigners)
        ]
        for size in dropped:
            del self._standing[size]
        now_ns = self._clock.boottime_ns()
        if self._kept_at_ns is None or now_ns - self._kept_at_ns >= KEEP_SECONDS * 1_000_000_000:
            self._kept_at_ns = now_ns
            del self._standing[best]
        return dropped


def _told_size(answer: WitnessAnswer) -> int | None:
    """The size in a 409; None for any other answer."""
    if answer.status != HTTPStatus.CONFLICT:
        return None
    found = _SIZE.fullmatch(answer.body)
    return int(found[1]) if found else None


def _unusable(answer: WitnessAnswer) -> str:
    return f"answered with status {answer.status}" if answer.status else answer.body


def _size_of(note: str) -> int:
    """The size in a note of our own database."""
    return int(note.split("\n", 2)[1])


def _ahead(address: WitnessAddress, told: int, size: int) -> str:
    return (
        f"witness {address.name} has seen {told} entries of this log, here are {size}: entries "
        "are lost, or the database is an older copy; see `gateway restore`"
    )


def _other_root(address: WitnessAddress, size: int) -> str:
    return (
        f"witness {address.name} has seen another tree of {size} entries under this log's key; "
        "run `gateway audit verify` with that witness's checkpoint"
    )


def _not_extended(address: WitnessAddress, old: int, size: int) -> str:
    return (
        f"witness {address.name} says that {size} entries here do not extend the {old} that it "
        "has seen: another history, or damaged tiles; run `gateway audit verify`"
    )
