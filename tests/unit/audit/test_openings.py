"""Payloads are opened for a person only after the log says so."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.lost import Lost
from gateway.audit.openings import MAX_OPENED, OpeningRecorder, RecordedVault
from gateway.clock import ManualClock
from gateway.errors import LogUnavailableError
from gateway.storage.engine import Engine, write_transaction
from gateway.transparency.entry import Entry, parse_entry
from gateway.transparency.notes import Signer
from gateway.transparency.verdict import Word
from tests.fakes.failing_sql import failing, tampering
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log, stored_entries, verify

PERSON = "spiffe://example.org/operator/olga"


class Spy:
    """A vault that notes how many openings the log told of when it was asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.told: list[int] = []

    def open_many(self, classes: Mapping[str, int]) -> Mapping[str, bytes | Lost]:
        bodies: list[Any] = [entry.body for entry in openings(self._engine)]
        self.told.append(sum(len(body["classes"]) for body in bodies))
        return dict.fromkeys(classes, b"")


def openings(engine: Engine) -> list[Entry]:
    entries = [parse_entry(data) for data in stored_entries(engine)]
    return [entry for entry in entries if entry.type == "payload.opened"]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "log.db", busy_timeout_seconds=0.2)
    yield made
    made.dispose()


def recorder_of(engine: Engine, signer: Signer = SIGNER) -> OpeningRecorder:
    return OpeningRecorder(engine, signer.verifier, ManualClock(), PERSON, "replay by olga")


def test_the_log_says_it_first_beside_a_running_gateway(engine: Engine) -> None:
    async def main() -> None:
        log = await open_log(engine, clock=ManualClock())
        await log.append([note("a")])
        spy = Spy(engine)
        vault = RecordedVault(spy, recorder_of(engine))
        classes = {f"{number:048x}": number for number in range(MAX_OPENED + 1)}
        assert vault.open_many({}) == {}
        assert vault.open_many(classes) == dict.fromkeys(classes, b"")
        assert spy.told == [0, len(classes)]
        first, second = openings(engine)
        assert first.actor == PERSON
        assert first.body == {"classes": list(classes)[:MAX_OPENED], "purpose": "replay by olga"}
        assert second.body["classes"] == list(classes)[MAX_OPENED:]
        (place,) = await log.append([note("b")])  # the gateway goes on after them, and signs them
        assert place.seq == second.seq + 1
        await log.aclose()
        assert verify(engine).word is Word.UNANCHORED

    asyncio.run(main())


def test_what_cannot_be_recorded_is_not_opened(engine: Engine) -> None:
    async def main() -> None:
        await (await open_log(engine)).aclose()
        spy = Spy(engine)
        vault = RecordedVault(spy, recorder_of(engine))
        for write in ("INSERT INTO entries", "COMMIT"):
            with failing(engine, write), pytest.raises(LogUnavailableError):
                vault.open_many({"a" * 48: 1})
        with write_transaction(engine), pytest.raises(LogUnavailableError, match="locked"):
            vault.open_many({"a" * 48: 1})
        with tampering(engine) as execute:
            execute("UPDATE entries SET leaf_hash = zeroblob(32)")
        with pytest.raises(LogUnavailableError, match="does not hold"):
            vault.open_many({"a" * 48: 1})
        assert spy.told == []
        assert openings(engine) == []

    asyncio.run(main())


def test_who_has_not_the_logs_key_changes_nothing(engine: Engine) -> None:
    async def main() -> None:
        with pytest.raises(LogUnavailableError, match="no checkpoint"):
            recorder_of(engine)
        await (await open_log(engine)).aclose()
        stranger = Signer(ORIGIN, Ed25519PrivateKey.generate())
        with pytest.raises(LogUnavailableError, match="another key"):
            recorder_of(engine, stranger)
        assert len(stored_entries(engine)) == 1

    asyncio.run(main())


def test_the_entry_is_canonical_and_small_enough(engine: Engine) -> None:
    asyncio.run(_opened(engine))
    recorder_of(engine).record(["f" * 48] * MAX_OPENED)
    (entry,) = openings(engine)
    assert len(json.dumps(entry.body)) < 60_000


async def _opened(engine: Engine) -> None:
    await (await open_log(engine)).aclose()
