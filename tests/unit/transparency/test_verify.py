"""Every way of changing history is found and called by its name."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import canonical
from gateway.transparency.entry import encode_entry, leaf_hash
from gateway.transparency.verdict import Proof, Verdict, Word
from tests.unit.transparency.logs import ACTOR, ORIGIN, START_US, LogFile, make_signer


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "gateway.db").grow(40, seals=(10, 20, 30, 40))


def edited(data: bytes) -> bytes:
    return data.replace(b'"n":', b'"m":')


def test_whole_log_with_anchor_is_ok(log: LogFile) -> None:
    verdict = log.verify(log.anchor(40))
    assert (verdict.word, verdict.exit_code, verdict.anchored_to) == (Word.OK, 0, "40 of 40")
    assert (verdict.checkpoints, verdict.sealed, verdict.entries) == (4, 40, 40)
    assert verdict.proven_before == Proof(0, 39, "outside checkpoint of 40 entries")
    assert verdict.flags == ()


def test_whole_log_without_anchor_is_unanchored(log: LogFile) -> None:
    verdict = log.verify()
    assert (verdict.word, verdict.exit_code, verdict.anchored_to) == (Word.UNANCHORED, 3, "0 of 40")


def test_older_anchor_says_how_far_it_reaches(log: LogFile) -> None:
    verdict = log.verify(log.anchor(20), log.anchor(10))
    assert (verdict.word, verdict.anchored_to) == (Word.OK, "20 of 40")


def test_unsigned_tail_is_said(log: LogFile) -> None:
    verdict = log.grow(3).verify(log.anchor(40))
    assert (verdict.word, verdict.exit_code, verdict.sealed) == (Word.OK_UNSEALED, 0, 40)


def test_anchor_of_an_empty_tree_anchors_nothing(log: LogFile, tmp_path: Path) -> None:
    empty = LogFile(tmp_path / "empty.db").seal()
    assert log.verify(empty).word is Word.UNANCHORED


def edit_byte(log: LogFile) -> None:
    log.run("UPDATE entries SET bytes = ? WHERE seq = 17", edited(log.entry(17)[0]))


def edit_byte_and_hash(log: LogFile) -> None:
    data = edited(log.entry(17)[0])
    log.run("UPDATE entries SET bytes = ?, leaf_hash = ? WHERE seq = 17", data, leaf_hash(data))


def edit_byte_and_hash_before_a_seal(log: LogFile) -> None:
    data = edited(log.entry(19)[0])
    log.run("UPDATE entries SET bytes = ?, leaf_hash = ? WHERE seq = 19", data, leaf_hash(data))


def edit_last_entry_and_hash(log: LogFile) -> None:
    data = edited(log.entry(39)[0])
    log.run("UPDATE entries SET bytes = ?, leaf_hash = ? WHERE seq = 39", data, leaf_hash(data))


def edit_stored_hash(log: LogFile) -> None:
    log.run("UPDATE entries SET leaf_hash = ? WHERE seq = 17", bytes(32))


def reformat_entry(log: LogFile) -> None:
    data = log.entry(17)[0].replace(b",", b", ", 1)
    log.run("UPDATE entries SET bytes = ?, leaf_hash = ? WHERE seq = 17", data, leaf_hash(data))


def swap_bytes(log: LogFile) -> None:
    for seq, (data, _) in {17: log.entry(18), 18: log.entry(17)}.items():
        log.run("UPDATE entries SET bytes = ? WHERE seq = ?", data, seq)


def swap_rows(log: LogFile) -> None:
    log.run("UPDATE entries SET seq = 35 - seq WHERE seq IN (17, 18)")


def delete_one(log: LogFile) -> None:
    log.run("DELETE FROM entries WHERE seq = 17")


def delete_first(log: LogFile) -> None:
    log.run("DELETE FROM entries WHERE seq = 0")


def delete_several(log: LogFile) -> None:
    log.run("DELETE FROM entries WHERE seq BETWEEN 17 AND 19")


def delete_all(log: LogFile) -> None:
    log.run("DELETE FROM entries")


def delete_and_renumber(log: LogFile) -> None:
    log.run("DELETE FROM entries WHERE seq = 17")
    log.run("UPDATE entries SET seq = seq - 1 WHERE seq > 17")


def truncate_tail(log: LogFile) -> None:
    log.run("DELETE FROM entries WHERE seq >= 33")


def duplicate(log: LogFile) -> None:
    log.run("INSERT INTO entries SELECT * FROM entries WHERE seq = 17")


def duplicate_last(log: LogFile) -> None:
    log.run("INSERT INTO entries SELECT * FROM entries WHERE seq = 39")


def text_for_number(log: LogFile) -> None:
    log.run(
        "CREATE TABLE loose AS SELECT log, CAST(seq AS ANY) AS seq, bytes, leaf_hash FROM entries"
    )
    log.run("DROP TABLE entries")
    log.run("CREATE TABLE entries(log, seq, bytes, leaf_hash)")
    log.run("INSERT INTO entries SELECT log, seq, bytes, leaf_hash FROM loose")
    log.run("UPDATE entries SET seq = '17' WHERE seq = 17")


def null_bytes(log: LogFile) -> None:
    log.run("UPDATE entries SET bytes = NULL WHERE seq = 17")


def edit_checkpoint_root(log: LogFile) -> None:
    log.run("UPDATE checkpoints SET root = ? WHERE size = 20", bytes(32))


def edit_checkpoint_size(log: LogFile) -> None:
    log.run("UPDATE checkpoints SET size = 21 WHERE size = 20")


def edit_checkpoint_note(log: LogFile) -> None:
    log.run("UPDATE checkpoints SET note = replace(note, char(10) || '20', char(10) || '21')")


def forge_checkpoint(log: LogFile) -> None:
    forged = LogFile(log.path.with_name("forged.db"), make_signer(9)).grow(20)
    log.run("UPDATE checkpoints SET note = ? WHERE size = 20", forged.seal().note)


def checkpoint_of_text_size(log: LogFile) -> None:
    log.run("UPDATE checkpoints SET size = 'twenty' WHERE size = 20")


def rewrite_suffix_unsigned(log: LogFile) -> None:
    log.run("DELETE FROM entries WHERE seq >= 25")
    fresh = LogFile(log.path.with_name("fresh.db")).grow(25).grow(15, salt="another")
    for seq in range(25, 40):
        log.run("INSERT INTO entries VALUES (?, ?, ?, ?)", ORIGIN, seq, *fresh.entry(seq))


TAMPER_SET: list[tuple[Callable[[LogFile], None], Word, int | None, int | None, int | None]] = [
    # what, word, first bad entry, last entry proven before, first entry proven behind
    (edit_byte, Word.TAMPERED, 17, 16, 18),
    (edit_byte_and_hash, Word.TAMPERED, 17, 16, 18),
    (edit_byte_and_hash_before_a_seal, Word.TAMPERED, 19, 18, 20),
    (edit_last_entry_and_hash, Word.TAMPERED, 30, 29, None),
    (edit_stored_hash, Word.TAMPERED, 17, 16, 18),
    (reformat_entry, Word.TAMPERED, 17, 16, 18),
    (swap_bytes, Word.TAMPERED, 17, 16, 19),
    (swap_rows, Word.TAMPERED, 17, 9, None),
    (delete_one, Word.MISSING, 17, 16, 18),
    (delete_first, Word.MISSING, 0, None, 1),
    (delete_several, Word.MISSING, 17, 9, None),
    (delete_all, Word.MISSING, 0, None, None),
    (delete_and_renumber, Word.TAMPERED, 17, 9, None),
    (truncate_tail, Word.MISSING, 33, 29, None),
    (duplicate, Word.DUPLICATE_SEQ, 17, 16, 18),
    (duplicate_last, Word.DUPLICATE_SEQ, 39, 38, None),
    (text_for_number, Word.MISSING, 17, 16, 18),
    (null_bytes, Word.TAMPERED, 17, 16, 18),
    (edit_checkpoint_root, Word.TAMPERED, None, 39, None),
    (edit_checkpoint_size, Word.TAMPERED, None, 39, None),
    (edit_checkpoint_note, Word.TAMPERED, None, 39, None),
    (forge_checkpoint, Word.TAMPERED, None, 39, None),
    (checkpoint_of_text_size, Word.TAMPERED, None, 39, None),
    (rewrite_suffix_unsigned, Word.TAMPERED, 20, 19, None),
]


@pytest.mark.parametrize(
    ("tamper", "word", "first_bad", "last_before", "first_after"),
    TAMPER_SET,
    ids=[case[0].__name__ for case in TAMPER_SET],
)
def test_tampering_is_named(
    log: LogFile,
    tamper: Callable[[LogFile], None],
    word: Word,
    first_bad: int | None,
    last_before: int | None,
    first_after: int | None,
) -> None:
    tamper(log)
    verdict = log.verify()
    assert (verdict.word, verdict.first_bad_seq, verdict.exit_code) == (word, first_bad, 1), verdict
    assert (verdict.proven_before and verdict.proven_before.last) == last_before, verdict
    assert (verdict.proven_after and verdict.proven_after.first) == first_after, verdict


def test_missing_tail_names_both_ends(log: LogFile) -> None:
    truncate_tail(log)
    assert "entries 33 to 39 are missing" in log.verify().sentence


def test_truncation_against_an_anchor_is_a_rollback(log: LogFile) -> None:
    anchor = log.anchor(40)
    truncate_tail(log)
    assert log.verify(anchor).word is Word.ROLLBACK


def test_restored_backup_is_a_rollback(log: LogFile) -> None:
    anchor = log.anchor(40)
    log.run("DELETE FROM entries WHERE seq >= 20")
    log.run("DELETE FROM checkpoints WHERE size > 20")
    assert log.verify().word is Word.UNANCHORED  # in itself it is whole: the anchor is what tells
    verdict = log.verify(anchor)
    assert (verdict.word, verdict.first_bad_seq, verdict.exit_code) == (Word.ROLLBACK, 20, 1)
    assert verdict.proven_before == Proof(0, 19, "stored checkpoint of 20 entries")


def test_resigned_suffix_is_a_fork(log: LogFile, tmp_path: Path) -> None:
    other = LogFile(tmp_path / "other.db").grow(25, seals=(10, 20))
    other.grow(25, seals=(30, 40, 50), salt="another")
    verdict = other.verify(log.anchor(40))
    assert (verdict.word, verdict.first_bad_seq, verdict.exit_code) == (Word.FORK, 0, 1), verdict
    assert "fits this history is the stored checkpoint of 50 entries" in verdict.sentence
    assert (verdict.proven_before, verdict.proven_after) == (None, None)
    narrowed = other.verify(log.anchor(10), log.anchor(20), log.anchor(40))
    assert (narrowed.word, narrowed.first_bad_seq, narrowed.anchored) == (Word.FORK, 20, 20)
    assert narrowed.proven_before == Proof(0, 19, "outside checkpoint of 20 entries")


def test_fork_from_the_start(log: LogFile, tmp_path: Path) -> None:
    other = LogFile(tmp_path / "other.db").grow(40, seals=(40,), salt="another")
    verdict = other.verify(log.anchor(10))
    assert (verdict.word, verdict.proven_before) == (Word.FORK, None)


def test_entry_of_another_log(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "gateway.db").grow(2)
    data = encode_entry("elsewhere", 2, log.head, START_US, "denial", ACTOR, b"{}")
    log.put(2, data, leaf_hash(data))
    log.seal()
    verdict = log.verify()
    assert (verdict.word, verdict.first_bad_seq) == (Word.TAMPERED, 2)
    assert "another log" in verdict.sentence


def test_clock_that_steps_back_is_flagged_and_not_broken(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "gateway.db").grow(3)
    log.append(b"{}", START_US - 1)
    log.grow(2).seal()
    verdict = log.verify(log.anchor(6))
    assert (verdict.word, verdict.flags, verdict.clock_seq) == (Word.OK, ("CLOCK",), 3)


def test_another_key_cannot_check(log: LogFile) -> None:
    log.signer = make_signer(2)
    verdict = log.verify()
    assert (verdict.word, verdict.exit_code) == (Word.UNVERIFIABLE, 2)
    log.signer = make_signer(1, "elsewhere")
    assert log.verify().word is Word.UNVERIFIABLE


def test_nothing_signed_cannot_be_checked(log: LogFile) -> None:
    anchor = log.anchor(40)
    log.run("DELETE FROM checkpoints")
    assert log.verify().word is Word.UNVERIFIABLE
    assert log.verify(anchor).word is Word.OK  # the outside copy seals all the same


def test_two_breaks_leave_only_what_lies_behind_both(log: LogFile) -> None:
    edit_byte(log)
    log.run("UPDATE entries SET bytes = ? WHERE seq = 26", edited(log.entry(26)[0]))
    verdict = log.verify()
    assert verdict.first_bad_seq == 17
    assert verdict.proven_before == Proof(0, 16, "stored checkpoint of 40 entries")
    assert verdict.proven_after == Proof(27, 39, "stored checkpoint of 40 entries")


def test_verdict_has_a_json_form(log: LogFile) -> None:
    edit_byte(log)
    value = log.verify().as_value()
    assert value["verdict"] == "TAMPERED"
    assert value["proven_after"] == {
        "first": 18, "last": 39, "by": "stored checkpoint of 40 entries",
    }  # fmt: skip
    canonical.encode(value)


def test_any_single_changed_byte_is_found(log: LogFile) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to run it again
    chance = random.Random(seed)
    for _ in range(60):
        seq = chance.randrange(40)
        data, leaf = log.entry(seq)
        at, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
        changed = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
        stored = leaf_hash(changed) if chance.random() < 0.5 else leaf
        log.run("UPDATE entries SET bytes = ?, leaf_hash = ? WHERE seq = ?", changed, stored, seq)
        verdict = log.verify(log.anchor(40))
        assert verdict.exit_code == 1, (seq, at, bit, verdict)
        assert _names(verdict, seq), (seq, at, bit, verdict)
        log.run("UPDATE entries SET bytes = ?, leaf_hash = ? WHERE seq = ?", data, leaf, seq)


def _names(verdict: Verdict, seq: int) -> bool:
    """The changed entry, or the one before it (the chain between them is what broke), or, for the
    last entry, the stretch since the last seal."""
    bad = verdict.first_bad_seq
    return bad is not None and (bad in (seq - 1, seq) or (seq == 39 and bad == 30))
