"""The journal as services use it: the state, and appending to it only what may follow.

Every writer decides on the newest state; who was too late decides again. What may not follow is
refused before it is written, by the same fold that reads it back.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway import canonical
from gateway.audit.errors import MovedError
from gateway.audit.port import BundleStore, Draft, Log, Removal
from gateway.changes.governance import apply
from gateway.changes.records import Record
from gateway.changes.state import Governance
from gateway.clock import Clock
from gateway.errors import ChangeRefusedError, ConflictError

MAX_TRIES = 8


@dataclass(frozen=True, slots=True)
class JournalDraft:
    """A journal entry before it has a place: its body from its own sequence number, without
    `prior`, and what leaves the database with it."""

    type: str
    body: Callable[[int], Mapping[str, canonical.Value]]
    removal: Removal | None = None


Decide = Callable[[Governance], Sequence[JournalDraft]]


Tell = Callable[[Governance, Governance], None]


class Journal:
    """One process's view of one log's journal. `appended()` is told when this process added, and
    `tell(before, after)` what has changed by then; neither may raise. `first_key` is the vkey in
    `log.opened`: what is appended here is held against it. What stands already is not, since a log
    with a hand-over asked for from a wrong key must be read all the same; it is not carried out."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        appended: Callable[[], None] = lambda: None,
        tell: Tell = lambda before, after: None,
        first_key: str = "",
    ) -> None:
        self._log = log
        self._clock = clock
        self._appended = appended
        self._tell = tell
        self._first_keys = (first_key,) if first_key else ()
        self._state = Governance()
        self._reading = asyncio.Lock()

    @property
    def state(self) -> Governance:
        """As of the last `refresh`."""
        return self._state

    async def refresh(self) -> Governance:
        """Take in what was appended since, by anybody; raises LogUnavailableError, and
        ChangeRefusedError for a stored entry that may not stand where it stands."""
        async with self._reading:
            for entry in await self._log.journal(self._state.journal + 1):
                record = Record(entry.seq, entry.time_us, entry.type, entry.actor, entry.body)
                self._state = apply(self._state, record)
            return self._state

    async def append(self, actor: str, decide: Decide) -> Governance:
        """Append what `decide` says to the newest state, as one group; nothing when it says
        nothing. Raises what `decide` raises, ChangeRefusedError for what may not follow,
        ConflictError when others were first each time, LogUnavailableError."""
        for _ in range(MAX_TRIES):
            state = await self.refresh()
            drafts = decide(state)
            if not drafts:
                return state
            self._verify_may_follow(state, drafts, actor)
            try:
                await self._log.append(
                    _placed(state, drafts, actor), after=state.journal, removal=_removal_of(drafts)
                )
            except MovedError:
                continue
            self._appended()
            after = await self.refresh()
            self._tell(state, after)
            return after
        raise ConflictError("others change the same thing at each try; look again and repeat it")

    def _verify_may_follow(
        self, state: Governance, drafts: Sequence[JournalDraft], actor: str
    ) -> None:
        now_us = self._clock.now_us()
        state = replace(state, keys=state.keys or self._first_keys)
        for seq, draft in enumerate(drafts, start=state.journal + 1):
            prior = state.journal if state.journal >= 0 else None
            body: dict[str, Any] = {**draft.body(seq), "prior": prior}
            state = apply(state, Record(seq, now_us, draft.type, actor, body))


def _removal_of(drafts: Sequence[JournalDraft]) -> Removal | None:
    """A removal comes alone: whoever reads the entry knows just what went with it."""
    found = [draft.removal for draft in drafts if draft.removal is not None]
    if found and len(drafts) > 1:
        raise ChangeRefusedError("what removes something is appended alone")
    return found[0] if found else None


def _placed(state: Governance, drafts: Sequence[JournalDraft], actor: str) -> list[Draft]:
    return [
        Draft(draft.type, actor, _body(draft, state.journal, position))
        for position, draft in enumerate(drafts)
    ]


def _body(draft: JournalDraft, head: int, position: int) -> Callable[[int], bytes]:
    def body(first_seq: int) -> bytes:
        prior = first_seq + position - 1 if position else (head if head >= 0 else None)
        return canonical.encode({**draft.body(first_seq + position), "prior": prior})

    return body


@dataclass(frozen=True, slots=True)
class Records:
    """Where changes are recorded: the journal, the log under it, and what entries name by hash."""

    journal: Journal
    log: Log
    store: BundleStore
