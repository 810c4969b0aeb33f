"""Each collector holds the log to what it said before."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.client.gateway_client import GatewayClient
from collector.client.log_keys import KEYS_FILE
from collector.client.refusal import REASON_FILE, REFUSED_FILE, clear_refusal
from collector.client.witness import CHECKPOINT_FILE, REPORT_SECONDS, Witness
from collector.errors import EvidenceError, GatewayUnavailable
from gateway.clock import ManualClock
from gateway.transparency.notes import Signer
from gateway.wire.verdicts import EntryRef
from tests.fakes.gateway import ORIGIN, FakeGateway

OLD = FakeGateway(ManualClock()).signer
NEXT = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x08" * 32))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def gateway(clock: ManualClock) -> FakeGateway:
    fake = FakeGateway(clock)
    for at in range(4):
        fake.append(f"entry {at}")
    return fake


def witness_client(gateway: FakeGateway) -> GatewayClient:
    return GatewayClient("https://gateway.test", gateway.open_http, gateway.clock)


def witness_of(gateway: FakeGateway, state: Path) -> Witness:
    return Witness(state, gateway.signer.verifier, witness_client(gateway), gateway.clock)


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


def forked(gateway: FakeGateway, state: Path) -> tuple[str, str]:
    """A witness meets a fork; the note that it kept and the one that it refused."""
    witness = witness_of(gateway, state)
    kept = gateway.checkpoint()
    witness.observe(kept)
    gateway.leaves[2] = b"\x02" * 32
    refused = gateway.checkpoint()
    with pytest.raises(EvidenceError):
        witness.observe(refused)
    return kept, refused


def test_a_hand_over_in_the_logs_history_is_kept(gateway: FakeGateway, tmp_path: Path) -> None:
    witness = witness_of(gateway, tmp_path)
    witness.observe(gateway.checkpoint())
    gateway.hand_over(NEXT)
    gateway.append("later")
    assert witness.observe(gateway.checkpoint()).size == 7
    assert NEXT.vkey in (tmp_path / KEYS_FILE).read_text()
    gateway.handovers.clear()
    gateway.append("later still")
    again = Witness(tmp_path, OLD.verifier, witness_client(gateway), gateway.clock)
    assert again.observe(gateway.checkpoint()).size == 8


@pytest.mark.parametrize("hides_seam", [False, True])
def test_a_stolen_key_hands_over_in_no_other_history(
    gateway: FakeGateway, tmp_path: Path, hides_seam: bool
) -> None:
    witness = witness_of(gateway, tmp_path)
    witness.observe(gateway.checkpoint())
    honest = list(gateway.leaves)
    if not hides_seam:
        gateway.leaves[2] = b"\x02" * 32
    gateway.hand_over(NEXT)
    if hides_seam:  # the true history goes on as if nobody had handed over
        gateway.leaves = [*honest, b"\x03" * 32]
    gateway.append("later")
    with pytest.raises(EvidenceError, match="does not hold"):
        witness.observe(gateway.checkpoint())
    assert not (tmp_path / KEYS_FILE).exists()
    clear_refusal(tmp_path, "looked-at")
    gateway.leaves, gateway.signer = [*honest, b"\x04" * 32], OLD
    gateway.append("later")
    assert witness_of(gateway, tmp_path).observe(gateway.checkpoint()).size == 7


def test_an_outage_before_a_hand_over_is_proven_keeps_nothing(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    witness = witness_of(gateway, tmp_path)
    witness.observe(gateway.checkpoint())
    gateway.hand_over(NEXT)
    gateway.append("later")

    class Away(GatewayClient):
        def fetch_consistency(self, from_size: int, to_size: int) -> list[bytes]:
            raise GatewayUnavailable("away")

    away = Away("https://gateway.test", gateway.open_http, gateway.clock)
    with pytest.raises(GatewayUnavailable):
        Witness(tmp_path, OLD.verifier, away, gateway.clock).observe(gateway.checkpoint())
    assert not (tmp_path / KEYS_FILE).exists()
    assert witness.observe(gateway.checkpoint()).size == 7


def test_a_refusal_binds_after_a_restart(gateway: FakeGateway, tmp_path: Path) -> None:
    leaves = list(gateway.leaves)
    forked(gateway, tmp_path)
    gateway.leaves = leaves  # the log shows the old history again, as if nothing had been
    again = witness_of(gateway, tmp_path)
    assert again.failure is not None
    assert "a fork" in again.failure
    with pytest.raises(EvidenceError, match="a fork"):
        again.observe(gateway.checkpoint())
    with pytest.raises(EvidenceError, match="a fork"):
        again.record(EntryRef(5, "00" * 32))


@pytest.mark.parametrize("lost", [REASON_FILE, REFUSED_FILE])
@pytest.mark.parametrize("content", [None, b"", b"\xff"])
def test_half_a_refusal_binds_too(
    gateway: FakeGateway, tmp_path: Path, lost: str, content: bytes | None
) -> None:
    forked(gateway, tmp_path)
    if content is None:
        (tmp_path / lost).unlink()
    else:
        (tmp_path / lost).write_bytes(content)
    assert witness_of(gateway, tmp_path).failure


def test_a_refusal_without_a_note_binds_too(
    gateway: FakeGateway, clock: ManualClock, tmp_path: Path
) -> None:
    witness = witness_of(gateway, tmp_path)
    witness.observe(gateway.checkpoint())
    witness.record(EntryRef(5, "00" * 32))
    clock.advance(61)
    with pytest.raises(EvidenceError):
        witness.record(EntryRef(6, "00" * 32))
    assert "under no checkpoint" in (witness_of(gateway, tmp_path).failure or "")


def test_a_person_moves_a_refusal_aside_and_keeps_the_evidence(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    leaves = list(gateway.leaves)
    kept, refused = forked(gateway, tmp_path)
    moved = clear_refusal(tmp_path, "cleared-now")
    assert moved[0].read_text() == refused
    assert clear_refusal(tmp_path, "cleared-now") == []
    still_forked = witness_of(gateway, tmp_path)
    assert still_forked.failure is None
    with pytest.raises(EvidenceError, match="a fork"):  # the kept checkpoint was not forgotten
        still_forked.observe(gateway.checkpoint())
    clear_refusal(tmp_path, "cleared-again")
    gateway.leaves = leaves
    assert witness_of(gateway, tmp_path).observe(gateway.checkpoint()).note == kept


def test_a_report_is_due_until_it_was_made_and_again_later(
    gateway: FakeGateway, clock: ManualClock, tmp_path: Path
) -> None:
    assert witness_of(gateway, tmp_path).due_report() is None
    kept, refused = forked(gateway, tmp_path)
    witness = witness_of(gateway, tmp_path)
    for _ in range(2):
        report = witness.due_report()
        assert report is not None
        assert (report.kept, report.refused) == (kept, refused)
    witness.mark_reported()
    assert witness.due_report() is None
    clock.advance(REPORT_SECONDS)
    assert witness.due_report() is not None


def test_a_refusal_that_cannot_be_kept_on_disk_still_binds(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    witness = witness_of(gateway, state)
    witness.observe(gateway.checkpoint())
    for path in state.iterdir():
        path.unlink()
    state.rmdir()
    gateway.leaves[2] = b"\x02" * 32
    with pytest.raises(EvidenceError, match="until this collector stops"):
        witness.observe(gateway.checkpoint())
    with pytest.raises(EvidenceError, match="a fork"):
        witness.observe(gateway.checkpoint())
