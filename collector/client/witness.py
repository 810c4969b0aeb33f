"""The collector as a witness of the gateway's log (DESIGN "Checkpoint").

It keeps the newest checkpoint that it has seen. For the next one it demands a consistency proof,
and an inclusion proof of the newest entry that answered it. Origin and public key come from its
configuration; the first checkpoint is taken on first use and kept on disk from then on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from collector.client.gateway_client import ProofRefused
from collector.client.log_keys import LogKeys, TellsHandovers
from collector.client.refusal import (
    REFUSED_FILE,
    Refusal,
    clear_refusal,
    load_refusal,
    store_refusal,
)
from collector.client.state_file import write_atomically
from collector.client.succession import (
    is_next,
    load_successions,
    store_succession,
    verify_answer,
)
from collector.errors import EvidenceError, GatewayUnavailable
from gateway.clock import Clock
from gateway.errors import VerificationError
from gateway.transparency.checkpoint import Checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import HASH_BYTES, verify_consistency, verify_inclusion
from gateway.transparency.notes import Verifier
from gateway.transparency.succession import Succession, successor_of
from gateway.wire.fork_reports import ForkReport
from gateway.wire.succession import SuccessionAnswer
from gateway.wire.verdicts import EntryRef

CHECKPOINT_FILE = "checkpoint"
ENTRY_FILE = "checkpoint.entry"
REPORT_SECONDS = 300.0  # said again to whoever answers then: a gateway may have been restored since
MAX_UNPROVEN_SECONDS = 60.0  # checkpoints come each second; an entry under none is being withheld


class Prover(TellsHandovers, Protocol):
    """Who can prove what a checkpoint says; GatewayClient is one."""

    def fetch_consistency(self, from_size: int, to_size: int) -> list[bytes]:
        """RFC 6962 proof; raises ProofRefused or GatewayUnavailable."""

    def fetch_inclusion(self, index: int, size: int) -> list[bytes]:
        """RFC 6962 proof; raises ProofRefused or GatewayUnavailable."""


class Witness:
    """Holds the log to what it said before. A refusal is final, over restarts too, until a person
    has looked (`collector check --clear-refusal`).

    Files in `state`: the newest checkpoint, the newest own entry not yet proven, and the refused
    note, which together with the kept checkpoint is the evidence against the log.
    """

    def __init__(
        self,
        state: Path,
        verifier: Verifier,
        prover: Prover,
        clock: Clock,
        people: Sequence[Verifier] = (),
    ) -> None:
        """`people`: whose succession keys let this collector follow a log that was closed."""
        self._state = state
        self._people = tuple(people)
        self._verifier, self.successions = load_successions(state, verifier, people)
        self._sees_next = bool(people)  # asked once at the start, too
        self._keys = LogKeys(state, self._verifier, prover)
        self._prover = prover
        self._clock = clock
        self._refusal = load_refusal(state)
        self._reported_ns: int | None = None
        self.newest = self._load_checkpoint()
        self._unproven = self._load_entry()
        self._unproven_since_ns = clock.boottime_ns()
        self._latest: EntryRef | None = None

    @property
    def awaits_proof(self) -> bool:
        """Whether an entry that answered us has not been proven to stand in the log."""
        return self._unproven is not None

    @property
    def failure(self) -> str | None:
        """Why nothing of this log is believed, None while it holds."""
        return None if self._refusal is None else self._refusal.reason

    @property
    def may_follow(self) -> bool:
        """Whether it is worth asking if another log succeeds this one."""
        return bool(self._people) and (self._sees_next or self._refusal is not None)

    def follow(self, answer: SuccessionAnswer | None) -> Succession | None:
        """Go on with the log that succeeds this one, where `answer` proves it; None where it tells
        of nothing new. A refusal ends with it, its evidence stays aside. Raises VerificationError
        for one that does not hold, EvidenceError where it cannot be kept."""
        self._sees_next = False
        if answer is None or not is_next(answer.checkpoint, self._verifier):
            return None
        old = self._keys.known
        note, statement, head = verify_answer(answer, old, self._people, self.newest)
        store_succession(self._state, note, statement, old)
        clear_refusal(self._state, f"before-{statement.new.rpartition('~')[2]}")
        self._refusal = self._reported_ns = self._unproven = self._latest = None
        self._verifier = successor_of(statement)
        self._keys = LogKeys(self._state, self._verifier, self._prover)
        self._write(CHECKPOINT_FILE, answer.checkpoint)
        self.newest = head
        self.successions.append(statement)
        return statement

    def due_report(self) -> ForkReport | None:
        """What the gateway must be told of a refusal now; None when there is none, or it was told
        not long ago."""
        if self._refusal is None:
            return None
        now_ns = self._clock.boottime_ns()
        if self._reported_ns is not None and now_ns - self._reported_ns < REPORT_SECONDS * 1e9:
            return None
        return ForkReport(self.newest.note if self.newest else "", self._refusal.note)

    def mark_reported(self) -> None:
        """The gateway has the report."""
        self._reported_ns = self._clock.boottime_ns()

    def observe(self, note: str) -> Checkpoint:
        """Take the next checkpoint, proven; raises EvidenceError, or GatewayUnavailable when the
        proofs could not be had (then nothing is taken and nothing may rest on the answer)."""
        self._refuse_after_failure()
        if self._people and is_next(note, self._verifier):
            self._sees_next = True
            raise GatewayUnavailable("The gateway serves the log that succeeds the one known here.")
        try:
            seen = self._keys.open(note)
            if self.newest is not None:
                self._demand_consistency(self.newest, seen)
            for seam in self._keys.unproven:
                self._demand_consistency(seam, seen)
            self._demand_inclusion(seen)
        except ProofRefused as error:
            raise self._fail(note, f"it will not prove its checkpoint: {error}") from None
        except VerificationError as error:
            raise self._fail(note, str(error)) from None
        self._keys.keep()
        if self.newest is None or seen.size > self.newest.size:
            self._write(CHECKPOINT_FILE, note)
            self.newest = seen
        return seen

    def record(self, entry: EntryRef) -> None:
        """Remember an entry that answered us; raises EvidenceError when an older one still stands
        under no checkpoint long after."""
        self._refuse_after_failure()
        if self._unproven is None:
            self._remember(entry)
            return
        self._latest = entry
        waited_ns = self._clock.boottime_ns() - self._unproven_since_ns
        if waited_ns > MAX_UNPROVEN_SECONDS * 1e9:
            raise self._fail(
                "", f"entry {self._unproven.index} answered us and stands under no checkpoint yet"
            )

    def _demand_consistency(self, kept: Checkpoint, seen: Checkpoint) -> None:
        old, new = (kept, seen) if kept.size <= seen.size else (seen, kept)
        if old.size == new.size:
            if old.root != new.root:
                raise ProofError(f"two different trees of size {old.size} are signed: a fork")
            return
        # An older checkpoint may come from a slower replica; a rolled-back log cannot prove it.
        proof = self._prover.fetch_consistency(old.size, new.size) if old.size else []
        verify_consistency(old.size, new.size, old.root, new.root, proof)

    def _demand_inclusion(self, seen: Checkpoint) -> None:
        while (entry := self._unproven) is not None and entry.index < seen.size:
            proof = self._prover.fetch_inclusion(entry.index, seen.size)
            verify_inclusion(_leaf(entry), entry.index, seen.size, proof, seen.root)
            latest, self._unproven, self._latest = self._latest, None, None
            if latest is not None:
                self._remember(latest)

    def _remember(self, entry: EntryRef) -> None:
        _leaf(entry)
        self._write(ENTRY_FILE, msgspec.json.encode(entry).decode() + "\n")
        self._unproven, self._unproven_since_ns = entry, self._clock.boottime_ns()

    def _load_checkpoint(self) -> Checkpoint | None:
        path = self._state / CHECKPOINT_FILE
        try:
            return self._keys.open_known(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, VerificationError) as error:
            raise EvidenceError(
                f"{path} is not a checkpoint of log {self._verifier.name} ({error}); it is what "
                "holds the log to its history: restore it, or remove it to trust on first use anew"
            ) from None

    def _load_entry(self) -> EntryRef | None:
        try:
            data = (self._state / ENTRY_FILE).read_bytes()
            return msgspec.json.decode(data, type=EntryRef)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def _refuse_after_failure(self) -> None:
        if self._refusal is not None:
            raise EvidenceError(self._refusal.reason)

    def _fail(self, note: str, reason: str) -> EvidenceError:
        told = (
            f"The evidence of log {self._verifier.name} does not hold: {reason}; everything is "
            f"kept. Compare {self._state / CHECKPOINT_FILE} with {REFUSED_FILE} beside it."
        )
        self._refusal = Refusal(told, note)
        store_refusal(self._state, self._refusal)
        return EvidenceError(told)

    def _write(self, name: str, text: str) -> None:
        try:
            write_atomically(self._state / name, text)
        except (OSError, UnicodeEncodeError) as error:
            raise EvidenceError(
                f"{self._state / name} cannot be written ({error}); without it the log cannot be "
                "held to its history, so everything is kept"
            ) from None


def _leaf(entry: EntryRef) -> bytes:
    try:
        leaf = bytes.fromhex(entry.leaf_hash)
    except ValueError:
        leaf = b""
    if len(leaf) != HASH_BYTES or entry.index < 0:
        raise EvidenceError("The gateway's answer names no entry: its leaf hash is not 32 bytes.")
    return leaf
