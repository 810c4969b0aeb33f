"""Of two writers who saw the same journal exactly one goes on, and no decision is recorded under
anything but what was in force in its place, however two processes interleave."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import canonical
from gateway.audit.errors import MovedError
from gateway.audit.journal import EMPTY_JOURNAL, JournalHeads
from gateway.audit.port import Appended, Draft
from gateway.audit.sql_log import SqlLog
from gateway.storage import log_store
from gateway.storage.engine import Engine, read_transaction
from gateway.transparency.entry import Entry, parse_entry
from gateway.transparency.journal_types import JOURNAL_TYPES, SERVING_TYPES
from gateway.transparency.notes import Signer
from tests.fakes.log import ACTOR
from tests.fakes.sql_logs import open_engine, open_log

origins = (f"example.org/log-{number}" for number in count())
writers = st.integers(0, 1)
kinds = st.sampled_from(["bundle.activated", "change.staged", "change.approved", "rollout.stepped"])
acts = st.one_of(
    st.tuples(st.just("look"), writers),
    st.tuples(st.just("change"), writers, kinds),
    st.tuples(st.just("decide"), writers),
)
# Acts of one list run at the same time; a pair of kinds is a duel of two who have both looked.
plans = st.lists(
    st.one_of(st.lists(acts, min_size=1, max_size=6), st.tuples(kinds, kinds)),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Engine]]:
    path: Path = tmp_path_factory.mktemp("logs") / "log.db"
    first, second = open_engine(path, 30), open_engine(path, 30)
    yield first, second
    first.dispose()
    second.dispose()


@dataclass
class Writer:
    """One process: what it has seen of the journal, what was answered and what refused."""

    log: SqlLog
    seen: JournalHeads = EMPTY_JOURNAL
    answered: dict[str, Appended] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    async def look(self) -> None:
        self.seen = await self.log.heads()

    async def change(self, kind: str, name: str) -> None:
        seen = self.seen
        body = {"name": name, "prior": None if seen.journal < 0 else seen.journal}
        await self._append(kind, body, name, after=seen.journal)

    async def decide(self, name: str) -> None:
        fence = self.seen.activation
        await self._append("test.note", {"fence": fence, "name": name}, name, fence=fence)

    async def _append(
        self,
        kind: str,
        body: dict[str, Any],
        name: str,
        after: int | None = None,
        fence: int | None = None,
    ) -> None:
        draft = Draft(kind, ACTOR, canonical.encode(body))
        try:
            (place,) = await self.log.append([draft], after=after, fence=fence)
        except MovedError as error:
            self.refused.add(name)
            found = JournalHeads(error.journal, error.activation)
        else:
            self.answered[name] = place
            return
        assert found.journal != after
        assert found.activation != fence
        self.seen = max(self.seen, found)


async def play(pair: Sequence[Writer], plan: Sequence[Any]) -> None:
    names = count()
    for step in plan:
        if isinstance(step, tuple):
            await asyncio.gather(*(writer.look() for writer in pair))
            assert pair[0].seen == pair[1].seen
            name = f"duel-{next(names)}"
            fights = zip(pair, step, "ab", strict=True)
            await asyncio.gather(*(each.change(kind, name + side) for each, kind, side in fights))
            outcomes = [name + "a" in pair[0].answered, name + "b" in pair[1].answered]
            assert sorted(outcomes) == [False, True]
            continue
        running = []
        for act, who, *kind in step:
            arguments = [*kind] if act == "look" else [*kind, f"{act}-{next(names)}"]
            running.append(getattr(pair[who], act)(*arguments))
        await asyncio.gather(*running)


def verify_history(entries: Sequence[Entry]) -> None:
    heads = EMPTY_JOURNAL
    for entry in entries:
        if entry.type in JOURNAL_TYPES:
            assert entry.body["prior"] == (None if heads.journal < 0 else heads.journal)
            serving = entry.seq if entry.type in SERVING_TYPES else heads.activation
            heads = JournalHeads(entry.seq, serving)
        if "fence" in entry.body:
            assert entry.body["fence"] == heads.activation


def read_all(engine: Engine, origin: str) -> list[Entry]:
    with read_transaction(engine) as connection:
        return [parse_entry(row.data) for row in log_store.read_entries(connection, origin, 0)]


@given(plan=plans)
@settings(
    deadline=None,
    print_blob=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_of_two_who_saw_the_same_exactly_one_goes_on(
    engines: tuple[Engine, Engine], plan: list[Any]
) -> None:
    signer = Signer(next(origins), Ed25519PrivateKey.generate())

    async def main() -> None:
        pair = [Writer(await open_log(engine, signer=signer)) for engine in engines]
        await play(pair, plan)
        entries = read_all(engines[0], signer.name)
        verify_history(entries)
        by_name = {str(entry.body.get("name")): entry.seq for entry in entries}
        for writer in pair:
            assert not writer.refused & by_name.keys()
            for name, place in writer.answered.items():
                assert by_name[name] == place.seq
            recorded = [entry for entry in entries if entry.type in JOURNAL_TYPES]
            assert await writer.log.journal() == recorded
            await writer.log.aclose()

    asyncio.run(main())
