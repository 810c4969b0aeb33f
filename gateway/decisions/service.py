"""The decision service: proposals in, recorded verdicts out.

Warm classes are answered from the epoch's tables; new ones go to the engine once, together. Either
way one `decisions` entry per request is durable before anything is answered (P3).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import structs

from gateway.audit.errors import MovedError
from gateway.audit.port import Appended, Draft, Log
from gateway.clock import Clock
from gateway.decisions.epoch import Epoch, begin_epoch
from gateway.decisions.evaluation import Recording, evaluate, record, shadow
from gateway.decisions.lanes import Lane
from gateway.decisions.leases import LeasedVerdict, LeaseTerms, encode_verdict
from gateway.decisions.policy import ActivePolicy
from gateway.decisions.proposals import BadProposal
from gateway.decisions.verdict import Settled, fail_safe
from gateway.errors import LogUnavailableError
from gateway.wire.classes import ProcessClass, Sender
from gateway.wire.verdicts import EntryRef

_encoder = msgspec.json.Encoder()
_SECOND_US = 1_000_000
_MOVED = "another activation came into force while this was decided; kept"
_MAX_MOVES = 20
MAX_SHADOWS = 16  # questions to a candidate that run beside what was answered; more are left out
_SOON_US = 86_400_000_000  # a certificate that ends later than the longest lease bounds none


class DecisionService:
    """Decides for collectors under the policy in force."""

    def __init__(
        self,
        policy: Callable[[], ActivePolicy],
        log: Log,
        clock: Clock,
        actor: str,
        observe: "Callable[[str, int], None]" = lambda name, count: None,
        remember: "Callable[[str, Iterable[LeasedVerdict]], None]" = lambda subject, verdicts: None,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        """`observe(name, count)` counts `permitted`, `overridden`, `fail_safe`, `evaluated`
        and `failure:<code>`; `remember(subject URI, verdicts)` is told what is leased;
        `moved()` that another activation is in force than `policy()` gives."""
        self._policy = policy
        self._log = log
        self._clock = clock
        self._actor = actor
        self._observe = observe
        self._remember = remember
        self._moved = moved
        self._epoch: Epoch | None = None
        self._shadows: set[asyncio.Task[None]] = set()

    async def decide(
        self, subject_uri: str, sender: Sender, certificate_ends_us: int, body: bytes
    ) -> bytes:
        """The JSON answer to a request body.

        Raises InputError for a malformed body and LogUnavailableError when the answer cannot be
        recorded; a bad proposal is kept by itself.
        """
        policy = self._policy()
        proposals = policy.reader.read(body)
        now_us = self._clock.now_us()
        lane = policy.lane_of(subject_uri, sender)
        request = _Request(policy, self._epoch_at(policy, now_us), sender, lane, proposals)
        if policy.hold is not None:
            request.refuse_all("not_served_yet", policy.hold)
        elif now_us >= policy.expires_us:
            request.refuse_all("stale_bundle", "the bundle is past its maximum age; kept")
        else:
            request.look_up()
        recording = Recording((), (), ())
        if request.missing:
            recording = await self._evaluate(request, now_us)
        request, recording, appended = await self._append(request, recording, subject_uri)
        request.place(recording, appended)
        for effect, count in request.effects().items():
            self._observe(effect, count)
        return self._answer(request, appended[-1], certificate_ends_us, subject_uri)

    def forget(self) -> None:
        """Hold no class any longer: a payload was erased, and with it goes what memory knows of it.
        What is asked about again is evaluated anew."""
        self._epoch = None

    def _epoch_at(self, policy: ActivePolicy, now_us: int) -> Epoch:
        if self._epoch is None or not self._epoch.covers(policy, now_us):
            self._epoch = begin_epoch(policy, now_us)
        return self._epoch

    async def _evaluate(self, request: "_Request", now_us: int) -> Recording:
        """Ask about what is missing; in shadow, let the candidate be asked after it."""
        epoch, sender, lane = request.epoch, request.sender, request.lane
        outcomes = await evaluate(epoch, sender, lane, list(request.missing.items()))
        self._observe("evaluated", len(outcomes))
        for _, _, _, failure in outcomes:
            if failure is not None:
                self._observe(f"failure:{failure}", 1)
        candidate = epoch.policy.candidate
        if candidate is not None and lane == "active" and len(self._shadows) < MAX_SHADOWS:
            task = asyncio.create_task(shadow(epoch, candidate, sender, outcomes))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)
        return record(epoch, sender, lane, outcomes, now_us, self._actor)

    async def _append(
        self, request: "_Request", recording: Recording, actor: str
    ) -> "tuple[_Request, Recording, list[Appended]]":
        """What stands in the log by now, under the number that is in force there."""
        for _ in range(_MAX_MOVES):
            try:
                return request, recording, await self._write(request, recording, actor)
            except MovedError as moved:
                # Another activation came in between: nothing is answered under the old one (P2).
                self._moved()
                request, recording = request.kept(moved.activation, _MOVED), Recording((), (), ())
        raise LogUnavailableError("what is in force changes faster than this can be recorded")

    async def _write(self, request: "_Request", recording: Recording, actor: str) -> list[Appended]:
        decisions = Draft(
            "decisions", actor, lambda first_seq: request.decisions_body(recording, first_seq)
        )
        drafts = (*recording.drafts, decisions)
        fence = request.policy.ref.activation
        return await self._log.append(drafts, recording.payloads, fence=fence)

    def _terms(self, request: "_Request", certificate_ends_us: int, now_us: int) -> LeaseTerms:
        """Bounds as of the answer: engine and log may have taken their time since the request."""
        policy = request.policy
        if self._policy() is not policy or policy.hold is not None:
            return LeaseTerms(policy.ref.activation, now_us, is_personal=True)  # none: it is over
        ends_us = min(policy.expires_us, request.epoch.lease_ends_us)
        if certificate_ends_us - now_us >= _SOON_US:
            return LeaseTerms(policy.ref.activation, ends_us)
        return LeaseTerms(policy.ref.activation, min(ends_us, certificate_ends_us), True)

    def _answer(
        self, request: "_Request", entry: Appended, certificate_ends_us: int, subject_uri: str
    ) -> bytes:
        now_us = self._clock.now_us()
        terms = self._terms(request, certificate_ends_us, now_us)
        if terms.ends_us - now_us >= _SECOND_US:  # else no lease is given
            self._remember(subject_uri, request.verdicts)
        leased = [verdict.encoded(now_us, terms) for verdict in request.verdicts]
        kept = [encode_verdict(settled, None) for settled in request.failures]
        return _encoder.encode(
            {
                "policy": request.policy.ref,
                "entries": [EntryRef(entry.seq, entry.leaf_hash.hex())],
                "checkpoint": self._log.checkpoint(),
                "verdicts": leased + kept,
                "refs": request.refs(),
            }
        )


class _Request:
    """One request on its way: which verdict stands at which position."""

    def __init__(
        self,
        policy: ActivePolicy,
        epoch: Epoch,
        sender: Sender,
        lane: Lane,
        proposals: Sequence[Any],
    ) -> None:
        self.policy = policy
        self.epoch = epoch
        self.sender = sender
        self.lane = lane
        self.proposals = proposals
        self.missing: dict[Hashable, ProcessClass] = {}
        self.verdicts: list[LeasedVerdict] = []
        self.failures: list[Settled] = []
        self._slots: list[Any] = []  # per proposal: a cached verdict, a class key or a failure
        self._counts: Counter[Any] = Counter()
        self._evaluated: dict[Hashable, Any] = {}

    def look_up(self) -> None:
        """Fill each slot from the tables; note what is missing there.

        The one loop that runs for each proposal: hence the local names.
        """
        find = self.epoch.table(self.sender, self.lane).get
        bucket_of = self.policy.reader.bucket_of
        append = self._slots.append
        for proposal in self.proposals:
            if proposal.__class__ is BadProposal:
                append(("bad_proposal", proposal.detail))
                continue
            key = (
                proposal.process,
                proposal.action,
                proposal.sample_rate,
                bucket_of(proposal.score),
                proposal.profile,
            )
            verdict = find(key)
            append(self._miss(key, proposal) if verdict is None else verdict)
        self._counts = Counter(self._slots)

    def _miss(self, key: Hashable, proposal: Any) -> Hashable:
        """The slot of a class that is not in the tables."""
        if key not in self.missing:
            try:
                self.missing[key] = self.policy.reader.class_of(proposal, self.sender)
            except ValueError as error:
                return ("bad_proposal", str(error))
        return key

    def refuse_all(self, code: str, message: str) -> None:
        """Keep everything, for one reason."""
        self._slots = [(code, message)] * len(self.proposals)
        self._counts = Counter(self._slots)

    def kept(self, activation: int, message: str) -> "_Request":
        """The same proposals, all kept, under the number that is in force by now."""
        ref = structs.replace(self.policy.ref, activation=activation)
        policy = replace(self.policy, ref=ref, hold=message)
        request = _Request(policy, self.epoch, self.sender, self.lane, self.proposals)
        request.refuse_all("activation_moved", message)
        return request

    def decisions_body(self, recording: Recording, first_seq: int) -> bytes:
        """The `decisions` entry's body, once the group's place is known."""
        places = {
            item.key: [first_seq + item.entry, item.position]
            for item in recording.evaluated
            if item.failure is None
        }
        failures = {item.key: item.failure for item in recording.evaluated if item.failure}
        fail_safe_counts: Counter[str] = Counter()
        cited = []
        for slot, count in self._counts.items():
            if slot.__class__ is LeasedVerdict:
                cited.append([slot.seq, slot.position, count])
            elif slot in places:
                cited.append([*places[slot], count])
            else:
                fail_safe_counts[failures.get(slot) or slot[0]] += count
        body = {
            "activation": self.policy.ref.activation,
            "fail_safe": dict(sorted(fail_safe_counts.items())),
            "verdicts": sorted(cited),
        }
        return _encoder.encode(body)  # integers and ASCII codes in sorted order: canonical as it is

    def place(self, recording: Recording, appended: Sequence[Appended]) -> None:
        """Remember what is durable now, and settle each slot's position in the answer."""
        first_seq = appended[0].seq
        for item in recording.evaluated:
            if item.failure is None:
                seq = first_seq + item.entry
                leased = LeasedVerdict(item.settled, item.process_class.key(), seq, item.position)
                self.epoch.remember(self.sender, self.lane, item.key, leased)
                self._evaluated[item.key] = leased
            else:
                self._evaluated[item.key] = item.settled
        self._number()

    def _number(self) -> None:
        positions: dict[Any, int] = {}
        failed: list[tuple[Any, Settled]] = []
        for slot in self._counts:
            if slot.__class__ is LeasedVerdict:  # most of them
                positions[slot] = len(self.verdicts)
                self.verdicts.append(slot)
                continue
            outcome = self._evaluated.get(slot)
            if outcome is None:
                outcome = fail_safe(slot[0], f"kept: {slot[1]}"[:256])
            if isinstance(outcome, LeasedVerdict):
                positions[slot] = len(self.verdicts)
                self.verdicts.append(outcome)
            else:
                failed.append((slot, outcome))
        for slot, settled in failed:
            positions[slot] = len(self.verdicts) + len(self.failures)
            self.failures.append(settled)
        self._positions = positions

    def refs(self) -> list[tuple[str, int]]:
        """One pair per proposal, in the order sent."""
        positions = self._positions
        return [
            (proposal.ref, positions[slot])
            for proposal, slot in zip(self.proposals, self._slots, strict=True)
        ]

    def effects(self) -> Counter[str]:
        """How many proposals got which effect."""
        found: Counter[str] = Counter()
        for slot, count in self._counts.items():
            outcome = slot if slot.__class__ is LeasedVerdict else self._evaluated.get(slot)
            if outcome.__class__ is LeasedVerdict:
                found[outcome.settled.effect] += count
            else:
                found["fail_safe"] += count
        return found
