"""Collectors are witnesses: what one of them holds against the log becomes an entry of it.

A report is two checkpoints: the one that the collector kept and the one that it refused. Both
signed by the log's key, they prove something or they do not, whoever sends them.
"""

import asyncio
import base64
import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from gateway import canonical
from gateway.audit.port import Appended, Draft, Log
from gateway.audit.witnessed_log import WitnessedLog
from gateway.audit.witnesses import FORK_SEEN, WITNESSED_AHEAD
from gateway.errors import ConflictError, InputError, VerificationError
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint_by_any
from gateway.transparency.notes import Verifier
from gateway.wire.fork_reports import ForkReport, ForkReportAnswer

ENTRY_TYPE = "fork.reported"
FORK, ROLLBACK = "fork", "rollback"
MAX_REMEMBERED = 4_096
MAX_NOTE_CHARACTERS = 64 * 1024


class ForkReports:
    """Checks reports and appends an entry for each that proves something."""

    def __init__(self, log: Log, witnessed: WitnessedLog, verifiers: Sequence[Verifier]) -> None:
        """`verifiers`: the keys that the log signs or signed with."""
        self._log = log
        self._witnessed = witnessed
        self._verifiers = tuple(verifiers)
        self._filed: OrderedDict[bytes, ForkReportAnswer] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()
        self._problem: str | None = None
        self._newest_seen = 0

    def problem(self) -> str | None:
        """What a report proved since this process started, or None. Begins with `fork_seen: ` or
        `witnessed_ahead: `."""
        return self._problem

    def newest_seen(self) -> int:
        """The largest size of a checkpoint that was proven to be this log's."""
        return self._newest_seen

    async def take(self, reporter: str, report: ForkReport) -> ForkReportAnswer:
        """File the report of `reporter` (SPIFFE id); the same one again is the same entry.

        Raises InputError when the notes are not both checkpoints of this log, ConflictError when
        both are part of it as it stands, so that nothing is proven; LogUnavailableError.
        """
        pair = (self._open(report.kept, "kept"), self._open(report.refused, "refused"))
        mark = _mark(reporter, pair)
        async with self._one_at_a_time:
            known = self._filed.get(mark)
            if known is not None:
                return known
            kind = await self._judge(*pair)
            [place] = await self._log.append([Draft(ENTRY_TYPE, reporter, _body(kind, *pair))])
            filed = self._remember(mark, kind, place)
            self._raise_alarm(reporter, kind, pair)
            return filed

    def _open(self, note: str, name: str) -> Checkpoint:
        try:
            if len(note) > MAX_NOTE_CHARACTERS:
                raise InputError(f"{name} is longer than {MAX_NOTE_CHARACTERS} characters")
            return open_checkpoint_by_any(note, self._verifiers)
        except VerificationError as error:
            raise InputError(f"{name} is not a checkpoint of this log: {error}") from None

    async def _judge(self, kept: Checkpoint, refused: Checkpoint) -> str:
        if kept.size == refused.size and kept.root != refused.root:
            return FORK
        newest, roots = await self._witnessed.size_and_roots({kept.size, refused.size})
        if any(seen.root != roots.get(seen.size, seen.root) for seen in (kept, refused)):
            return FORK
        # A checkpoint is durable before anybody gets it: a larger one was lost here.
        if max(kept.size, refused.size) > newest:
            return ROLLBACK
        raise ConflictError(
            f"both checkpoints, of {kept.size} and {refused.size} entries, are part of this log"
        )

    def _remember(self, mark: bytes, kind: str, place: Appended) -> ForkReportAnswer:
        filed = ForkReportAnswer(place.seq, place.leaf_hash.hex(), kind)
        self._filed[mark] = filed
        if len(self._filed) > MAX_REMEMBERED:
            self._filed.popitem(last=False)
        return filed

    def _raise_alarm(self, reporter: str, kind: str, pair: Sequence[Checkpoint]) -> None:
        largest = max(seen.size for seen in pair)
        self._newest_seen = max(self._newest_seen, largest)
        if kind == FORK:
            self._problem = (
                f"{FORK_SEEN}: {reporter} holds two checkpoints under this log's key that cannot "
                "both be true"
            )
        elif self._problem is None:
            self._problem = (
                f"{WITNESSED_AHEAD}: {reporter} holds a signed checkpoint of {largest} entries, "
                "which are not all here"
            )


def _body(kind: str, kept: Checkpoint, refused: Checkpoint) -> bytes:
    return canonical.encode({"kind": kind, "kept": _value(kept), "refused": _value(refused)})


def _value(checkpoint: Checkpoint) -> dict[str, canonical.Value]:
    return {"root": base64.b64encode(checkpoint.root).decode(), "size": checkpoint.size}


def _mark(reporter: str, pair: Sequence[Checkpoint]) -> bytes:
    parts = [reporter, *(f"{seen.size} {seen.root.hex()}" for seen in pair)]
    return hashlib.sha256("\n".join(parts).encode()).digest()
