"""The gateway asks witnesses that behave and such that do not."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.audit.witness_client import WitnessAddress, verify_witness_url
from gateway.audit.witnesses import KEEP_SECONDS, StoredNotes, Witnesses
from gateway.clock import ManualClock
from gateway.errors import ConfigError, LogUnavailableError
from gateway.transparency.witness_policy import WitnessPolicy, parse_policy
from gateway.witness.memory import WitnessMemory
from gateway.witness.witness import Witness
from tests.fakes.witnesses import (
    SIGNER,
    MemoryWitnessedLog,
    Tree,
    WitnessNetwork,
    make_cosigner,
)

COSIGNERS = {name: make_cosigner(at, f"{name}.example") for at, name in ((11, "w1"), (12, "w2"))}
LOGS = {SIGNER.name: (SIGNER.verifier,)}


def make_policy(threshold: str = "all") -> WitnessPolicy:
    lines = [f"log {SIGNER.vkey}"]
    lines += [f"witness {name} {cosigner.verifier.vkey}" for name, cosigner in COSIGNERS.items()]
    return parse_policy("\n".join([*lines, f"group g {threshold} w1 w2", "quorum g", ""]))


class Desk:
    """Two witnesses, a log and the gateway's side."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.network = WitnessNetwork()
        self.memories = []
        for name, cosigner in COSIGNERS.items():
            (folder / name).mkdir()
            self.memories.append(WitnessMemory(folder / name, LOGS))
            witness = Witness(cosigner, LOGS, self.memories[-1], self.clock)
            self.network.witnesses[name] = witness
        self.log = MemoryWitnessedLog(Tree(), 8)

    def open(self, policy: WitnessPolicy | None = None, timeout_seconds: float = 5.0) -> Witnesses:
        """The gateway's side, anew."""
        addresses = [
            WitnessAddress(name, f"https://{name}/", cosigner.verifier)
            for name, cosigner in COSIGNERS.items()
        ]
        client = self.network.client(timeout_seconds)
        policy = policy or make_policy()
        return Witnesses(self.log, policy, addresses, client, 10.0, self.clock)

    def submit(self, witnesses: Witnesses, *sizes: int) -> None:
        """A round at each size."""
        for size in sizes:
            self.log.size = size
            asyncio.run(witnesses.submit_newest())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    for memory in made.memories:
        memory.close()


def test_cosignatures_are_gathered_until_the_policy_is_met(desk: Desk) -> None:
    witnesses = desk.open()
    desk.submit(witnesses, 8)
    assert make_policy().is_met(desk.log.cosigned[8])
    assert (witnesses.met_size, witnesses.newest_seen(), witnesses.problem()) == (8, 8, None)


def test_a_growing_log_is_proven_from_what_each_witness_knew(desk: Desk) -> None:
    witnesses = desk.open()
    desk.submit(witnesses, 8, 8, 20, 300)
    assert make_policy().is_met(desk.log.cosigned[300])
    assert desk.network.asked.count(("w1", 8)) == 1  # once at 20; at 8 again nothing was asked
    assert [old for host, old in desk.network.asked if host == "w1"] == [0, 8, 20]


def test_after_a_restart_the_witness_tells_its_size(desk: Desk) -> None:
    desk.submit(desk.open(), 8)
    again = desk.open()
    desk.submit(again, 20)
    assert make_policy().is_met(desk.log.cosigned[20])
    assert again.problem() is None


def test_nothing_is_asked_before_the_first_checkpoint(desk: Desk) -> None:
    desk.submit(desk.open(), 0)
    assert desk.network.asked == []


def test_a_witness_ahead_is_an_alarm_until_the_log_is_there_again(desk: Desk) -> None:
    desk.submit(desk.open(), 20)
    restored = desk.open()
    desk.submit(restored, 8)
    problem = restored.problem()
    assert problem is not None
    assert problem.startswith("witnessed_ahead: witness w1 has seen 20 entries")
    assert restored.newest_seen() == 20
    assert 8 not in desk.log.cosigned
    desk.submit(restored, 21)
    assert (restored.problem(), restored.newest_seen()) == (None, 21)


def test_a_log_that_goes_back_under_a_running_gateway_is_an_alarm(desk: Desk) -> None:
    witnesses = desk.open()
    desk.submit(witnesses, 20, 8)
    assert (witnesses.problem() or "").startswith("witnessed_ahead: ")


def test_another_gateway_of_the_same_log_is_no_alarm(desk: Desk) -> None:
    """It may have submitted a newer checkpoint between our look and our question."""
    desk.submit(desk.open(), 20)
    witnesses = desk.open()
    desk.log.size, desk.log.on_newest = 8, [30]
    asyncio.run(witnesses.submit_newest())
    assert witnesses.problem() is None
    assert make_policy().is_met(desk.log.cosigned[30])


@pytest.mark.parametrize("size", [8, 9, 300])
@pytest.mark.parametrize("shared", [0, 7])
def test_another_history_is_a_fork(desk: Desk, size: int, shared: int) -> None:
    desk.submit(desk.open(), 8)
    desk.log.tree = Tree(salt="forked", shared=shared)
    forked = desk.open()
    desk.submit(forked, size)
    assert (forked.problem() or "").startswith("fork_seen: witness w1 ")
    assert size == 8 or size not in desk.log.cosigned


def test_a_fork_is_named_before_a_longer_log(desk: Desk) -> None:
    forked, ahead = Tree(salt="forked"), Tree()
    desk.network.witnesses["w1"].add_checkpoint(ahead.request(0, 20))
    desk.network.witnesses["w2"].add_checkpoint(forked.request(0, 8))
    witnesses = desk.open()
    desk.submit(witnesses, 8)
    assert (witnesses.problem() or "").startswith("fork_seen: witness w2 ")
    assert witnesses.newest_seen() == 20


def test_an_alarm_stands_while_the_witness_is_silent(desk: Desk) -> None:
    desk.submit(desk.open(), 8)
    desk.log.tree = Tree(salt="forked")
    forked = desk.open()
    desk.submit(forked, 9)
    desk.network.odd["w1"] = desk.network.odd["w2"] = httpx.ConnectError("gone")
    desk.submit(forked, 10)
    assert (forked.problem() or "").startswith("fork_seen: ")


ODD: dict[str, httpx.Response | Exception] = {
    "unreachable": httpx.ConnectError("refused"),
    "too slow": TimeoutError(),
    "another status": httpx.Response(500, text="oops"),
    "no key of ours": httpx.Response(403),
    "no log of ours": httpx.Response(404),
    "not text": httpx.Response(200, content=b"\xff\n"),
    "no signature": httpx.Response(200, text="fine\n"),
    "nothing": httpx.Response(200, text=""),
    "too long": httpx.Response(200, text="x" * 100_000),
    "a conflict without a size": httpx.Response(409, text="no\n"),
    "its own old size, always": httpx.Response(409, text="0\n"),
    "a stranger's cosignature": httpx.Response(
        200, text=make_cosigner(9, "stranger.example").cosign(Tree().note(8), 5)
    ),
    "a wrong cosignature": httpx.Response(200, text=COSIGNERS["w1"].cosign("other\n", 5)),
    "a redirect": httpx.Response(302, headers={"location": "https://w2/add-checkpoint"}),
    "a refused proof of nothing": httpx.Response(422),
}


@pytest.mark.parametrize("name", ODD)
def test_a_witness_that_does_not_cosign_hinders_no_other(desk: Desk, name: str) -> None:
    desk.network.odd["w1"] = ODD[name]
    witnesses = desk.open(make_policy("any"), timeout_seconds=0.2)
    desk.submit(witnesses, 8)
    assert make_policy("any").cosigners(desk.log.cosigned[8]) == ("w2",)
    assert witnesses.met_size == 8
    assert witnesses.problem() is None
    assert witnesses.statuses["w1"].failure
    del desk.network.odd["w1"]
    desk.submit(witnesses, 9)
    assert make_policy().is_met(desk.log.cosigned[9])
    assert witnesses.statuses["w1"].failure is None


def test_a_witness_that_contradicts_itself_is_given_up_for_the_round(desk: Desk) -> None:
    answers = iter(range(1, 100))

    async def whimsical(request: httpx.Request) -> httpx.Response:
        return httpx.Response(409, text=f"{next(answers) % 7 + 1}\n")

    witnesses = desk.open()
    witnesses._client._http = httpx.AsyncClient(transport=httpx.MockTransport(whimsical))
    desk.submit(witnesses, 8)
    assert "another size at each try" in (witnesses.statuses["w1"].failure or "")
    assert next(answers) < 20


def test_looking_needs_no_proof_and_sees_a_longer_log(desk: Desk) -> None:
    """What a restored gateway does before it signs."""
    desk.submit(desk.open(), 20)
    restored = desk.open()
    desk.log.fault = LogUnavailableError("not opened yet")
    asyncio.run(restored.look(Tree().note(8)))
    assert restored.newest_seen() == 20
    assert (restored.problem() or "").startswith("witnessed_ahead: ")
    level = desk.open()
    asyncio.run(level.look(Tree().note(20)))
    assert (level.newest_seen(), level.problem()) == (20, None)
    behind = desk.open()
    asyncio.run(behind.look(Tree().note(30)))
    assert (behind.newest_seen(), behind.problem()) == (20, None)
    forked = desk.open()
    asyncio.run(forked.look(Tree(salt="forked").note(20)))
    assert (forked.problem() or "").startswith("fork_seen: ")


def test_a_log_that_cannot_be_asked_is_tried_again(desk: Desk) -> None:
    rounds = 0

    async def no_pause(_seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        desk.log.fault = None
        if rounds == 2:
            raise asyncio.CancelledError

    desk.log.fault = LogUnavailableError("locked")
    witnesses = desk.open()
    witnesses._sleep = no_pause
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(witnesses.run())
    assert make_policy().is_met(desk.log.cosigned[8])


def test_what_a_larger_checkpoint_proves_goes_but_for_one_an_hour(desk: Desk) -> None:
    witnesses = desk.open()
    desk.submit(witnesses, 8, 9, 10, 11)
    assert sorted(desk.log.cosigned) == [8, 11]
    desk.clock.advance(KEEP_SECONDS)
    desk.submit(witnesses, 12, 13, 14)
    assert sorted(desk.log.cosigned) == [8, 12, 14]


def test_one_that_met_the_policy_stays_until_another_does() -> None:
    clock = ManualClock()
    stored = StoredNotes(clock)
    stored.note(1, frozenset({"a", "b"}), True)
    assert stored.superseded() == []  # kept for good
    stored.note(2, frozenset({"a", "b"}), True)
    assert stored.superseded() == []
    stored.note(3, frozenset({"a"}), False)
    assert stored.superseded() == []
    stored.note(4, frozenset({"a"}), False)
    assert stored.superseded() == []
    stored.note(5, frozenset({"b", "c"}), True)
    assert sorted(stored.superseded()) == [2, 3, 4]


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://witness.example/x", True),
        ("http://127.0.0.1:8470", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://witness.example", False),
        ("https://user:secret@witness.example", False),
        ("https://witness.example/?a=b", False),
        ("https://", False),
        ("ftp://witness.example", False),
        ("https://[", False),
    ],
)
def test_only_https_or_this_machine(url: str, is_good: bool) -> None:
    if is_good:
        verify_witness_url(url, "witnesses.urls")
    else:
        with pytest.raises(ConfigError, match=r"at witnesses\.urls"):
            verify_witness_url(url, "witnesses.urls")
