"""Logs with everything beside them: whose turn it is, which entries may be gone. What lies beside
is in test_beside.py."""

import json
from pathlib import Path

import pytest

from gateway.audit.export import export_tree
from gateway.transparency.blocks import Depth
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import leaf_hash
from gateway.transparency.folder_source import FolderSource
from gateway.transparency.notes import Signer
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Proof, Verdict, Word
from gateway.transparency.verify import verify_log
from tests.unit.transparency.logs import ORIGIN, make_signer
from tests.unit.transparency.whole_logs import ALICE, NEW, WholeLog, sealed, write_whole_log


@pytest.fixture
def log(tmp_path: Path) -> WholeLog:
    return write_whole_log(tmp_path / "log.db")


def test_whole_log_is_ok(log: WholeLog) -> None:
    verdict = sealed(log)
    assert (verdict.word, verdict.exit_code, verdict.flags) == (Word.OK, 0, ()), verdict
    assert verdict.keys == (log.signer.vkey,)


@pytest.mark.parametrize("depth", list(Depth))
def test_every_depth_finds_the_log_whole_and_an_edit(log: WholeLog, depth: Depth) -> None:
    anchor = log.seal() if log.fill(1) else None
    assert anchor is not None
    assert log.judge(anchor, depth=depth).word is Word.OK
    data = log.entry(270)[0].replace(b'"n":', b'"m":')
    log.run("UPDATE entries SET bytes = ?, leaf_hash = ? WHERE seq = 270", data, leaf_hash(data))
    verdict = log.judge(anchor, depth=depth)
    assert (verdict.word, verdict.first_bad_seq) == (Word.TAMPERED, 270)


def test_depths_differ_in_what_they_read(tmp_path: Path) -> None:
    """Entries that the log signed, and that should never have been written."""

    def judge(old: bytes, new: bytes, depth: Depth) -> Word:
        log = WholeLog(tmp_path / f"{depth}{new!r}.db".replace("/", "_")).fill(300)
        seq = log.entry_of("denial", {"text": "odd"})
        data = log.entry(seq)[0].replace(old, new)
        leaf = leaf_hash(data)
        log.leaves[-1] = leaf
        log.tree = type(log.tree)()
        log.tree.extend(log.leaves)
        log.head = leaf
        log.run("UPDATE entries SET bytes = ?, leaf_hash = ? WHERE seq = ?", data, leaf, seq)
        log.fill(30)
        return log.judge(log.seal(), depth=depth).word

    spaced = (b'{"text":"odd"}', b'{"text": "odd"}')
    assert judge(*spaced, Depth.FIELDS) is Word.OK
    assert judge(*spaced, Depth.CANONICAL) is Word.TAMPERED
    no_object = (b'{"text":"odd"}', b'["text","odd"]')
    assert judge(*no_object, Depth.FIELDS) is Word.TAMPERED


# Keys


def test_key_handed_over_is_followed_from_either_end(log: WholeLog) -> None:
    old = log.signer
    log.hand_over(NEW)
    log.fill(300)
    anchor = log.seal()
    for keys in ([NEW], [old], [old, NEW], [make_signer(9), NEW]):
        verdict = log.judge(anchor, keys=keys)
        assert (verdict.word, verdict.exit_code) == (Word.OK, 0), verdict
        assert verdict.keys == (old.vkey, NEW.vkey)


def test_key_that_signed_nothing_here_cannot_check(log: WholeLog) -> None:
    anchor = log.seal() if log.fill(1) else None
    assert anchor is not None
    verdict = log.judge(anchor, keys=[make_signer(9)])
    assert (verdict.word, verdict.proven_before) == (Word.UNVERIFIABLE, None), verdict


def test_second_handover_and_key_in_the_middle(log: WholeLog) -> None:
    first, third = log.signer, make_signer(8)
    log.hand_over(NEW)
    log.fill(10).seal()
    log.hand_over(third)
    anchor = log.fill(10).seal()
    for key in (first, NEW, third):
        assert log.judge(anchor, keys=[key]).word is Word.OK
    assert log.judge(keys=[make_signer(9)]).word is Word.UNVERIFIABLE


def test_old_checkpoints_sealed_again_with_the_newer_key(log: WholeLog) -> None:
    old, size = log.signer, 303
    log.hand_over(NEW)
    anchor = log.fill(20).seal()
    query = "SELECT root FROM checkpoints WHERE size = ?"
    (root,) = log.database.execute(query, (size,)).fetchone()
    note = sign_checkpoint(size, root, NEW).note
    log.run("UPDATE checkpoints SET note = ? WHERE size = ?", note, size)
    for keys in ([NEW], [old], [old, NEW]):
        verdict = log.judge(anchor, keys=keys)
        assert (verdict.word, verdict.exit_code) == (Word.TAMPERED, 1), verdict


def test_checkpoint_of_the_old_key_after_the_handover(log: WholeLog) -> None:
    old = log.signer
    log.hand_over(NEW)
    log.fill(20)
    log.signer = old
    log.seal()
    log.signer = NEW
    anchor = log.fill(20).seal()
    for keys in ([NEW], [old, NEW]):
        assert log.judge(anchor, keys=keys).word is Word.TAMPERED


def test_handover_without_both_signatures_hands_nothing_over(log: WholeLog) -> None:
    old = log.signer
    log.hand_over(NEW)
    size = log.tree.size
    note = sign_checkpoint(size, log.tree.root(), old).note
    log.run("UPDATE checkpoints SET note = ? WHERE size = ?", note, size)
    anchor = log.fill(20).seal()
    assert log.judge(anchor, keys=[old]).word is Word.TAMPERED
    assert log.judge(anchor, keys=[old, NEW]).word is Word.TAMPERED


# Entries that are gone


def test_purged_entries_are_lawfully_gone(log: WholeLog) -> None:
    log.purge_entries(0, 255)
    verdict = sealed(log)
    assert (verdict.word, verdict.exit_code, verdict.flags) == (Word.PURGED, 0, ("PURGED",)), (
        verdict
    )
    assert verdict.purged_entries == 255  # log.opened stays


def test_purge_beside_an_unsigned_tail(log: WholeLog) -> None:
    log.purge_entries(256, 511)
    anchor = log.fill(10).seal()
    verdict = log.fill(3).judge(anchor)
    assert (verdict.word, verdict.flags) == (Word.PURGED, ("PURGED", "UNSEALED")), verdict


def test_two_purges_that_touch(log: WholeLog) -> None:
    log.purge_entries(0, 255)
    log.purge_entries(256, 511)
    assert sealed(log).word is Word.PURGED


def test_entries_gone_without_a_deed_are_missing(log: WholeLog) -> None:
    log.delete_entries(256, 511)
    verdict = sealed(log)
    assert (verdict.word, verdict.first_bad_seq) == (Word.MISSING, 256), verdict
    assert verdict.proven_before is not None
    assert verdict.proven_before.last == 255


def test_more_gone_than_was_decided(log: WholeLog) -> None:
    log.purge_entries(0, 255)
    log.delete_entries(400, 401)
    verdict = sealed(log)
    assert (verdict.word, verdict.first_bad_seq, verdict.last_bad_seq) == (Word.MISSING, 400, 401)
    assert verdict.proven_after == Proof(402, log.tree.size - 1, verdict.proven_after.by)  # type: ignore[union-attr]


def test_forged_purge_in_the_unsigned_tail_explains_nothing(log: WholeLog) -> None:
    anchor = log.fill(5).seal()
    log.purge_entries(256, 511)
    verdict = log.judge(anchor)
    assert (verdict.word, verdict.first_bad_seq) == (Word.MISSING, 256), verdict


def test_purge_that_its_author_approved_explains_nothing(log: WholeLog) -> None:
    log.purge_entries(256, 511, approver=ALICE)
    assert sealed(log).word is Word.MISSING


def test_purge_of_another_range_than_was_approved(log: WholeLog) -> None:
    change = log.change("purge", {"what": "entries", "first": 0, "last": 255})
    log.delete_entries(256, 511)
    log.entry_of("entries.purged", {"id": change, "first": 256, "last": 511})
    assert sealed(log).word is Word.MISSING


def test_change_is_good_for_one_deed(log: WholeLog) -> None:
    subject = {"what": "entries", "first": 0, "last": 255}
    change = log.change("purge", subject)
    log.delete_entries(0, 255)
    for _ in range(2):
        log.entry_of("entries.purged", {"id": change, "first": 0, "last": 255})
    assert sealed(log).word is Word.PURGED
    assert not log.database.execute("SELECT 1 FROM entries WHERE seq = 5").fetchall()


def test_journal_entry_that_vanished_with_a_purge(log: WholeLog) -> None:
    log.run("BEGIN")
    log.fill(512 - log.tree.size % 512)
    log.run("COMMIT")
    start = log.tree.size
    lost = log.entry_of("change.tested", {"id": "c1", "passed": True, "detail": ""})
    log.entry_of("change.tested", {"id": "c1", "passed": True, "detail": ""})
    log.fill(300).seal()
    log.purge_entries(start, start + 255)
    log.run("DELETE FROM entries WHERE seq = ?", lost)
    log.run("DELETE FROM journal WHERE seq = ?", lost)
    verdict = sealed(log)
    assert (verdict.word, verdict.first_bad_seq) == (Word.MISSING, lost), verdict


@pytest.mark.parametrize("is_older", [False, True])
def test_export_of_a_log_whose_purge_left_journal_entries(
    tmp_path: Path, log: WholeLog, is_older: bool
) -> None:
    """A bundle is there whole or not at all, so that in a tree of files these entries go, too."""
    log.run("BEGIN")
    log.fill(700 - log.tree.size)
    log.change("exception", {"rules": []})
    log.fill(400)
    log.change("exception", {"rules": []})
    log.seal()
    log.run("COMMIT")
    folder = tmp_path / "export"
    if is_older:
        with SqliteSource(log.path) as source:
            export_tree(source, folder)
    log.purge_entries(512, 767)
    anchor = log.fill(20).seal()
    with SqliteSource(log.path) as source:
        export_tree(source, folder)
    with FolderSource(folder) as source:
        verdict = verify_log(source, source.origin, log.signer.verifier, [anchor])
    assert (verdict.word, verdict.purged_entries) == (Word.PURGED, 256), verdict
    assert log.judge(anchor).purged_entries == 253  # two of the change, one payloads.sealed


@pytest.mark.parametrize("kind", ["log.opened", "key.created", "payloads.sealed"])
def test_what_a_purge_leaves_must_stay(log: WholeLog, kind: str) -> None:
    log.fill(3)
    log.run("BEGIN")
    log.entry_of("key.created", {"purpose": "x", "fingerprint": "y"})
    log.fill(256 - log.tree.size % 256 + 5).seal()
    log.run("COMMIT")
    log.kept.add("key.created")
    log.purge_entries(0, 255)
    log.purge_entries(256, log.tree.size // 256 * 256 - 1)
    anchor = log.fill(9).seal()
    assert log.judge(anchor).word is Word.PURGED
    mark = f'"type":"{kind}"'
    [(seq, data)] = log.database.execute(
        "SELECT seq, bytes FROM entries WHERE instr(bytes, CAST(? AS BLOB)) LIMIT 1", (mark,)
    )
    log.run("DELETE FROM entries WHERE seq = ?", seq)
    if kind == "payloads.sealed":
        for class_id, _ in json.loads(data)["body"]["payloads"]:
            for table in ("payloads", "payload_keys"):
                log.run(f"DELETE FROM {table} WHERE class_id = ?", class_id)
    assert log.judge(anchor).word is Word.MISSING


def test_export_of_a_log_whose_key_changed_hands(tmp_path: Path, log: WholeLog) -> None:
    """A tree of files has the newest checkpoint alone: the auditor's own key must have signed it,
    and the log must say that it was handed over to it."""
    first, third, thief = log.signer, make_signer(8), make_signer(9)
    log.hand_over(NEW)
    log.fill(30).hand_over(third)
    anchor = log.fill(40).seal()
    with SqliteSource(log.path) as source:
        export_tree(source, tmp_path / "export")

    def judge(*keys: Signer) -> Verdict:
        with FolderSource(tmp_path / "export") as source:
            return verify_log(source, source.origin, [key.verifier for key in keys], [anchor])

    for keys in ((third,), (first, NEW, third), (third, first)):
        verdict = judge(*keys)
        assert (verdict.word, verdict.keys) == (
            Word.OK,
            (first.vkey, NEW.vkey, third.vkey),
        ), verdict
    for keys in ((first,), (NEW,), (thief,), (first, thief)):
        assert judge(*keys).word is Word.UNVERIFIABLE
    note = sign_checkpoint(anchor.size, anchor.root, thief).note
    (tmp_path / "export" / "checkpoint").write_text(note)
    for keys in ((third,), (first,), (first, thief), (thief,)):
        assert judge(*keys).exit_code in {1, 2}


def test_tile_edited_under_a_purge(log: WholeLog) -> None:
    log.purge_entries(256, 511)
    log.fill(5)
    anchor = log.seal()
    log.run("UPDATE tiles SET hashes = zeroblob(8192) WHERE level = 0 AND idx = 1")
    assert log.judge(anchor).exit_code == 1


# Witnesses


def test_cosigned_checkpoint_is_an_outside_anchor(log: WholeLog) -> None:
    witness = make_signer(5, "witness.example")
    anchor = log.fill(5).seal()
    note = sign_checkpoint(anchor.size, anchor.root, log.signer, [witness]).note
    log.run("INSERT INTO cosigned VALUES (?, ?, ?)", ORIGIN, anchor.size, note)
    log.fill(2)
    assert log.judge().word is Word.UNANCHORED
    assert log.judge(is_witnessed=lambda note: False).word is Word.UNANCHORED
    verdict = log.judge(is_witnessed=lambda note: "witness.example" in note)
    assert (verdict.word, verdict.anchored) == (Word.OK_UNSEALED, anchor.size), verdict
    log.run("DELETE FROM entries WHERE seq > 500")
    log.run("DELETE FROM checkpoints WHERE size > 500")
    verdict = log.judge(is_witnessed=lambda note: "witness.example" in note)
    assert verdict.word is Word.ROLLBACK, verdict
