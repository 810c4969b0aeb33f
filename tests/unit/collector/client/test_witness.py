"""Each collector holds the log to what it said before."""

from pathlib import Path

import pytest

from collector.client.gateway_client import GatewayClient
from collector.client.witness import CHECKPOINT_FILE, REFUSED_FILE, Witness
from collector.errors import EvidenceError, GatewayUnavailable
from gateway.clock import ManualClock
from gateway.wire.verdicts import EntryRef
from tests.fakes.gateway import FakeGateway


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def gateway(clock: ManualClock) -> FakeGateway:
    fake = FakeGateway(clock)
    for at in range(4):
        fake.append(f"entry {at}")
    return fake


def witness_of(gateway: FakeGateway, state: Path) -> Witness:
    client = GatewayClient("https://gateway.test", gateway.open_http, gateway.clock)
    return Witness(state, gateway.signer.verifier, client, gateway.clock)


def test_the_first_is_trusted_and_kept_on_disk(gateway: FakeGateway, tmp_path: Path) -> None:
    witness_of(gateway, tmp_path).observe(gateway.checkpoint())
    assert (tmp_path / CHECKPOINT_FILE).read_text() == gateway.checkpoint()
    assert (tmp_path / CHECKPOINT_FILE).stat().st_mode & 0o777 == 0o600
    newest = witness_of(gateway, tmp_path).newest
    assert newest is not None
    assert newest.size == 5


def test_a_grown_log_is_taken_and_its_answers_are_found_in_it(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    witness = witness_of(gateway, tmp_path)
    witness.observe(gateway.checkpoint())
    witness.record(EntryRef(**gateway.append("an answer to us")))
    gateway.append("another")
    witness.observe(gateway.checkpoint())
    assert gateway.paths == ["/v1/checkpoint/consistency", "/v1/checkpoint/inclusion"]
    assert (tmp_path / CHECKPOINT_FILE).read_text() == gateway.checkpoint()


@pytest.mark.parametrize("restarted", [False, True])
def test_an_answer_left_out_of_the_log_is_found(
    gateway: FakeGateway, tmp_path: Path, restarted: bool
) -> None:
    witness = witness_of(gateway, tmp_path)
    witness.observe(gateway.checkpoint())
    witness.record(EntryRef(**gateway.append("an answer to us")))
    gateway.leaves[-1] = b"\x01" * 32
    if restarted:
        witness = witness_of(gateway, tmp_path)
    with pytest.raises(EvidenceError, match="inclusion proof of entry 5"):
        witness.observe(gateway.checkpoint())


@pytest.mark.parametrize("grown_to", [4, 5, 9])
def test_a_rewritten_history_is_found_and_its_note_is_kept(
    gateway: FakeGateway, tmp_path: Path, grown_to: int
) -> None:
    witness = witness_of(gateway, tmp_path)
    honest = gateway.checkpoint()
    witness.observe(honest)
    gateway.leaves[2] = b"\x02" * 32
    while len(gateway.leaves) < grown_to:
        gateway.append("later")
    del gateway.leaves[grown_to:]
    with pytest.raises(EvidenceError, match="does not hold"):
        witness.observe(gateway.checkpoint())
    assert (tmp_path / CHECKPOINT_FILE).read_text() == honest
    assert (tmp_path / REFUSED_FILE).read_text() == gateway.checkpoint()


def test_a_rolled_back_log_is_found(gateway: FakeGateway, tmp_path: Path) -> None:
    witness = witness_of(gateway, tmp_path)
    witness.observe(gateway.checkpoint())
    del gateway.leaves[3:]
    with pytest.raises(EvidenceError, match="will not prove"):
        witness.observe(gateway.checkpoint())


def test_an_older_checkpoint_of_the_same_log_is_let_pass(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    witness = witness_of(gateway, tmp_path)
    older = gateway.checkpoint()
    gateway.append("later")
    newest = gateway.checkpoint()
    witness.observe(newest)
    assert witness.observe(older).size == 5
    assert (tmp_path / CHECKPOINT_FILE).read_text() == newest


def test_a_note_by_another_key_is_refused_for_good(gateway: FakeGateway, tmp_path: Path) -> None:
    witness = witness_of(gateway, tmp_path)
    with pytest.raises(EvidenceError):
        witness.observe(gateway.checkpoint().replace("\n5\n", "\n6\n"))
    with pytest.raises(EvidenceError):  # final, whatever comes after
        witness.observe(gateway.checkpoint())


def test_an_outage_between_answer_and_proof_proves_nothing_either_way(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    witness = witness_of(gateway, tmp_path)
    witness.observe(gateway.checkpoint())
    gateway.append("later")
    gateway.down = True
    with pytest.raises(GatewayUnavailable):
        witness.observe(gateway.checkpoint())
    gateway.down = False
    assert witness.observe(gateway.checkpoint()).size == 6


def test_an_entry_under_no_checkpoint_for_long_is_withheld(
    gateway: FakeGateway, clock: ManualClock, tmp_path: Path
) -> None:
    witness = witness_of(gateway, tmp_path)
    witness.observe(gateway.checkpoint())
    witness.record(EntryRef(5, "00" * 32))
    clock.advance(61)
    with pytest.raises(EvidenceError, match="under no checkpoint"):
        witness.record(EntryRef(6, "00" * 32))


def test_a_damaged_checkpoint_file_stops_the_start(gateway: FakeGateway, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT_FILE).write_text("not a note\n")
    with pytest.raises(EvidenceError, match="restore it, or remove it"):
        witness_of(gateway, tmp_path)


def test_no_checkpoint_is_taken_that_could_not_be_kept(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    witness = witness_of(gateway, tmp_path / "missing")
    with pytest.raises(EvidenceError, match="cannot be written"):
        witness.observe(gateway.checkpoint())
    assert witness.newest is None
