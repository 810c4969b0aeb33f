"""The witness's answers, one by one, in the order of tlog-witness's checks."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ManualClock
from gateway.errors import ConfigError
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.cosignature import Cosigner, open_cosignatures
from gateway.transparency.notes import sign_note
from gateway.witness import memory as memory_module
from gateway.witness.memory import LOCK_FILE, WitnessMemory
from gateway.witness.requests import (
    MAX_PROOF_LINES,
    format_add_checkpoint,
    parse_add_checkpoint,
)
from gateway.witness.witness import SIZE_MEDIA_TYPE, Answer, Witness
from tests.fakes.witnesses import COSIGNER, Tree
from tests.unit.transparency.logs import SIGNER, make_signer

OTHER = make_signer(2, "other.example/log")
ROTATED = make_signer(3)  # the log's name, another key
CLOCK = ManualClock()
LOGS = {
    SIGNER.name: (SIGNER.verifier, ROTATED.verifier),
    OTHER.name: (OTHER.verifier,),
}


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[WitnessMemory]:
    with WitnessMemory(tmp_path, LOGS) as opened:
        yield opened


@pytest.fixture
def witness(memory: WitnessMemory) -> Witness:
    return Witness(COSIGNER, LOGS, memory, CLOCK)


def cosigned(answer: Answer, note: str) -> bool:
    return answer.status == 200 and bool(open_cosignatures(note + answer.body, [COSIGNER.verifier]))


def test_a_growing_log_is_cosigned_with_the_time(witness: Witness) -> None:
    tree = Tree()
    for old, new in ((0, 5), (5, 5), (5, 300), (300, 301)):
        answer = witness.add_checkpoint(tree.request(old, new))
        note = tree.note(new)
        [cosignature] = open_cosignatures(note + answer.body, [COSIGNER.verifier])
        assert answer.status == 200
        assert cosignature.time_seconds == CLOCK.now_us() // 1_000_000
    assert witness.newest_size(SIGNER.name) == 301


def test_an_empty_log_may_be_the_first_and_is_not_anything(witness: Witness) -> None:
    tree = Tree()
    assert cosigned(witness.add_checkpoint(tree.request(0, 0)), tree.note(0))
    forged = sign_checkpoint(0, bytes(32), SIGNER).note
    assert witness.add_checkpoint(format_add_checkpoint(0, [], forged)).status == 409


@pytest.mark.parametrize("old", [0, 4, 6, 8])
def test_another_old_size_is_told_the_one_there_is(witness: Witness, old: int) -> None:
    tree = Tree()
    witness.add_checkpoint(tree.request(0, 5))
    answer = witness.add_checkpoint(tree.request(old, 8))
    assert answer == Answer(answer.status, "5\n", SIZE_MEDIA_TYPE, SIGNER.name)
    assert answer.status == 409


def test_a_rollback_is_refused_whatever_old_size_it_claims(witness: Witness) -> None:
    tree = Tree()
    witness.add_checkpoint(tree.request(0, 8))
    assert witness.add_checkpoint(tree.request(0, 5)).status == 409
    assert witness.add_checkpoint(tree.request(5, 5)).status == 409
    assert witness.add_checkpoint(format_add_checkpoint(8, [], tree.note(5))).status == 400
    assert witness.newest_size(SIGNER.name) == 8


def test_equal_size_and_another_root_is_a_conflict(witness: Witness) -> None:
    witness.add_checkpoint(Tree().request(0, 8))
    answer = witness.add_checkpoint(Tree(salt="forked").request(8, 8))
    assert (answer.status, answer.body, answer.media_type) == (409, "8\n", SIZE_MEDIA_TYPE)


def test_another_history_is_unprocessable_and_forgotten(witness: Witness) -> None:
    honest, forked = Tree(), Tree(salt="forked")
    witness.add_checkpoint(honest.request(0, 8))
    for body in (
        forked.request(8, 12),
        format_add_checkpoint(8, [], honest.note(12)),
        format_add_checkpoint(8, [*honest.proof(8, 12), bytes(32)], honest.note(12)),
        format_add_checkpoint(8, [bytes(32)], honest.note(8)),
    ):
        assert witness.add_checkpoint(body).status == 422
    assert cosigned(witness.add_checkpoint(honest.request(8, 12)), honest.note(12))


def test_a_first_proof_must_be_empty(witness: Witness) -> None:
    body = format_add_checkpoint(0, [bytes(32)], Tree().note(5))
    assert witness.add_checkpoint(body).status == 422


def test_each_log_has_its_own_state(witness: Witness) -> None:
    one, other = Tree(), Tree(OTHER, salt="other")
    assert witness.add_checkpoint(one.request(0, 9)).status == 200
    assert witness.add_checkpoint(other.request(0, 4)).status == 200
    assert witness.add_checkpoint(other.request(4, 6)).status == 200
    assert (witness.newest_size(SIGNER.name), witness.newest_size(OTHER.name)) == (9, 6)


def test_an_unknown_log_is_not_found_before_anything_else(witness: Witness) -> None:
    stranger = Tree(make_signer(9, "stranger.example/log"))
    assert witness.add_checkpoint(stranger.request(0, 5)).status == 404
    assert witness.newest_size("stranger.example/log") == 0


def test_a_key_that_is_not_the_log_s_is_forbidden(witness: Witness) -> None:
    tree = Tree(make_signer(9))  # the log's name, a stranger's key
    assert witness.add_checkpoint(tree.request(0, 5)).status == 403
    changed = Tree().note(5).replace("\n5\n", "\n6\n")
    assert witness.add_checkpoint(format_add_checkpoint(0, [], changed)).status == 403


def test_signatures_of_strangers_beside_the_log_s_are_ignored(witness: Witness) -> None:
    tree = Tree()
    note = sign_note(tree.note(5).split("\n\n")[0] + "\n", [make_signer(9), SIGNER, OTHER])
    assert cosigned(witness.add_checkpoint(format_add_checkpoint(0, [], note)), note)


def test_a_log_that_changed_its_key_goes_on(witness: Witness) -> None:
    before = Tree()
    witness.add_checkpoint(before.request(0, 5))
    after = Tree(ROTATED)
    assert cosigned(witness.add_checkpoint(after.request(5, 9)), after.note(9))


NOTE = Tree().note(5)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0",
        b"old 0\n\n",
        b"old 0\n" + NOTE.encode(),
        b"old 00\n\n" + NOTE.encode(),
        b"old -1\n\n" + NOTE.encode(),
        b"old  0\n\n" + NOTE.encode(),
        b"OLD 0\n\n" + NOTE.encode(),
        b"old \xd9\xa1\n\n" + NOTE.encode(),
        b"old 99999999999999999999\n\n" + NOTE.encode(),
        b"old 1\r\n\r\n" + NOTE.encode(),
        b"old 1\nAAAA\n\n" + NOTE.encode(),
        b"old 1\n" + b"A" * 42 + b"B=\n\n" + NOTE.encode(),
        b"old 0\n\n" + NOTE.encode()[:-1],
        b"old 0\n\n\xff" + NOTE.encode(),
        format_add_checkpoint(6, [], NOTE),
        format_add_checkpoint(1, [bytes(32)] * (MAX_PROOF_LINES + 1), NOTE),
        format_add_checkpoint(0, [], sign_note(f"{SIGNER.name}\n05\nAAAA\n", [SIGNER])),
    ],
)
def test_what_cannot_be_read_is_a_bad_request(witness: Witness, body: bytes) -> None:
    assert witness.add_checkpoint(body).status == 400
    assert witness.newest_size(SIGNER.name) == 0


def test_a_body_goes_both_ways() -> None:
    tree = Tree()
    parsed = parse_add_checkpoint(tree.request(3, 8))
    assert (parsed.old_size, list(parsed.proof)) == (3, tree.proof(3, 8))
    assert (parsed.unverified_note, parsed.origin) == (tree.note(8), SIGNER.name)


def test_what_was_cosigned_is_remembered_after_a_restart(tmp_path: Path) -> None:
    tree = Tree()
    with WitnessMemory(tmp_path, LOGS) as memory:
        Witness(COSIGNER, LOGS, memory, CLOCK).add_checkpoint(tree.request(0, 8))
    (tmp_path / ".0123456789abcdef.partial").write_text("torn")
    with WitnessMemory(tmp_path, LOGS) as memory:
        again = Witness(COSIGNER, LOGS, memory, CLOCK)
        assert again.add_checkpoint(tree.request(0, 5)).body == "8\n"
        assert again.add_checkpoint(tree.request(8, 12)).status == 200
    assert {path.name for path in tmp_path.iterdir()} - {LOCK_FILE} == {
        path.name for path in tmp_path.glob("*.checkpoint")
    }


class Dying(Cosigner):
    """Is killed when it should sign, and says what was on disk then."""

    def __init__(self, folder: Path) -> None:
        super().__init__("witness.example/w1", Ed25519PrivateKey.generate())
        self.folder = folder
        self.found: list[str] = []

    def cosign(self, text: str, time_seconds: int) -> str:
        self.found = [path.read_text() for path in self.folder.glob("*.checkpoint")]
        raise KeyboardInterrupt


def test_the_file_is_written_before_the_cosignature_is_made(
    memory: WitnessMemory, tmp_path: Path
) -> None:
    """Killed in between: the state is ahead of every answer, and asking again goes on."""
    tree, dying = Tree(), Dying(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        Witness(dying, LOGS, memory, CLOCK).add_checkpoint(tree.request(0, 8))
    assert dying.found == [tree.note(8)]
    again = Witness(COSIGNER, LOGS, memory, CLOCK)
    assert again.add_checkpoint(tree.request(0, 8)).body == "8\n"
    assert cosigned(again.add_checkpoint(tree.request(8, 8)), tree.note(8))


def test_nothing_is_cosigned_that_could_not_be_remembered(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise ConfigError("the disk is full")

    tree = Tree()
    with monkeypatch.context() as patched:
        patched.setattr(memory_module, "replace_file", refuse)
        answer = witness.add_checkpoint(tree.request(0, 5))
    assert answer.status == 503
    assert "—" not in answer.body
    assert witness.newest_size(SIGNER.name) == 0
    assert witness.add_checkpoint(tree.request(0, 5)).status == 200


def test_of_submissions_at_once_the_memory_never_goes_back(witness: Witness) -> None:
    tree = Tree()
    answers: list[Answer] = []

    def submit(size: int) -> None:
        answers.append(witness.add_checkpoint(tree.request(0, size)))

    threads = [threading.Thread(target=submit, args=(size,)) for size in range(1, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [answer for answer in answers if answer.status == 200]
    assert len(won) == 1
    assert {answer.status for answer in answers} == {200, 409}


def test_two_processes_are_not_one_witness(tmp_path: Path) -> None:
    with (
        WitnessMemory(tmp_path, LOGS),
        pytest.raises(ConfigError, match="another process is this witness"),
    ):
        WitnessMemory(tmp_path, LOGS)
    WitnessMemory(tmp_path, LOGS).close()


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"note\n", Tree(make_signer(9)).note(4).encode()]
)
def test_a_damaged_memory_stops_the_start(tmp_path: Path, content: bytes) -> None:
    with WitnessMemory(tmp_path, LOGS) as memory:
        Witness(COSIGNER, LOGS, memory, CLOCK).add_checkpoint(Tree().request(0, 5))
    [path] = tmp_path.glob("*.checkpoint")
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="restore it"):
        WitnessMemory(tmp_path, LOGS)
    path.unlink()
    WitnessMemory(tmp_path, LOGS).close()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make the folder"):
        WitnessMemory(tmp_path / "missing", LOGS)
