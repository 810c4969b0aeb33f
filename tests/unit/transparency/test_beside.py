"""What a database keeps beside its log: payloads that may be gone, and those that must be there;
tiles, edges and rows of the journal."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.transparency.verdict import Word
from tests.unit.transparency.logs import ORIGIN
from tests.unit.transparency.whole_logs import (
    ALICE,
    CLASSES,
    MONTH,
    WholeLog,
    sealed,
    write_whole_log,
)


@pytest.fixture
def log(tmp_path: Path) -> WholeLog:
    return write_whole_log(tmp_path / "log.db")


def test_erased_payloads_are_lawfully_gone(log: WholeLog) -> None:
    log.erase(CLASSES[1:3])
    verdict = sealed(log)
    assert (verdict.word, verdict.flags) == (Word.ERASED, ("ERASED",)), verdict


def test_purged_month_is_lawfully_gone_and_comes_before_erased(log: WholeLog) -> None:
    log.erase(CLASSES[1:3])
    log.purge_month()
    verdict = sealed(log)
    assert (verdict.word, verdict.flags) == (Word.PURGED, ("PURGED", "ERASED")), verdict


def test_erasure_nobody_else_approved(log: WholeLog) -> None:
    log.erase(CLASSES[1:3], approver=ALICE)
    assert sealed(log).word is Word.MISSING


def test_erased_payload_that_is_back(log: WholeLog) -> None:
    row = log.database.execute("SELECT * FROM payloads LIMIT 1").fetchone()
    log.erase([row[0]])
    log.run("INSERT INTO payloads VALUES (?, ?, ?, ?, ?, ?)", *row)
    assert sealed(log).word is Word.TAMPERED


def test_erased_payloads_key_that_is_back_alone(log: WholeLog) -> None:
    row = log.database.execute("SELECT * FROM payload_keys LIMIT 1").fetchone()
    log.erase([row[0]])
    log.run("INSERT INTO payload_keys VALUES (?, ?, ?)", *row)
    assert sealed(log).word is Word.TAMPERED


@pytest.mark.parametrize("table", ["payloads", "month_keys"])
def test_purged_month_that_is_back(log: WholeLog, table: str) -> None:
    row = log.database.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
    log.purge_month()
    log.run(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", *row)
    verdict = sealed(log)
    assert (verdict.word, verdict.first_bad_seq) == (Word.TAMPERED, log.purged_by), verdict


def test_purge_that_was_approved_as_one_erases_nothing(log: WholeLog) -> None:
    subject = {"what": "entries", "first": 256, "last": 511, "classes": CLASSES[:1]}
    change = log.change("purge", subject)
    for table in ("payload_keys", "payloads"):
        log.run(f"DELETE FROM {table} WHERE class_id = ?", CLASSES[0])
    log.entry_of("payloads.erased", {"id": change, "classes": CLASSES[:1], "request": "r"})
    assert sealed(log).word is Word.MISSING


def move_payload(log: WholeLog) -> None:
    """To where another rule lets it go, and no hold keeps it."""
    log.run("UPDATE payloads SET retention_class = 'brief' WHERE class_id = ?", CLASSES[3])


def age_payload(log: WholeLog) -> None:
    log.run("UPDATE payloads SET month = '2019-01' WHERE class_id = ?", CLASSES[3])


def payload_as_text(log: WholeLog) -> None:
    log.run("UPDATE payloads SET sealed = CAST(sealed AS TEXT) WHERE class_id = ?", CLASSES[3])


def swap_payloads(log: WholeLog) -> None:
    a, b = (
        log.database.execute("SELECT sealed FROM payloads WHERE class_id = ?", (one,)).fetchone()[0]
        for one in CLASSES[:2]
    )
    log.run("UPDATE payloads SET sealed = ? WHERE class_id = ?", b, CLASSES[0])
    log.run("UPDATE payloads SET sealed = ? WHERE class_id = ?", a, CLASSES[1])


def lose_payload(log: WholeLog) -> None:
    log.run("DELETE FROM payloads WHERE class_id = ?", CLASSES[3])


def lose_payload_key(log: WholeLog) -> None:
    log.run("DELETE FROM payload_keys WHERE class_id = ?", CLASSES[3])


def lose_month_key(log: WholeLog) -> None:
    log.run("DELETE FROM month_keys")


def plant_payload(log: WholeLog) -> None:
    log.run("INSERT INTO payloads VALUES ('ff', ?, '', '', '', x'')", ORIGIN)


def other_month(log: WholeLog) -> None:
    log.run("UPDATE payload_keys SET month_key = 'x' WHERE class_id = ?", CLASSES[3])


def empty_payloads(log: WholeLog) -> None:
    for table in ("payloads", "payload_keys", "month_keys"):
        log.run(f"DELETE FROM {table}")


def edit_tile(log: WholeLog) -> None:
    log.run("UPDATE tiles SET hashes = zeroblob(8192) WHERE level = 0 AND idx = 1")


def edit_upper_tile(log: WholeLog) -> None:
    log.run("UPDATE tiles SET hashes = zeroblob(64) WHERE level = 1")


def lose_tile(log: WholeLog) -> None:
    log.run("DELETE FROM tiles WHERE level = 0 AND idx = 1")


def lose_upper_tile(log: WholeLog) -> None:
    log.run("DELETE FROM tiles WHERE level = 1")


def lose_tiles(log: WholeLog) -> None:
    log.run("DELETE FROM tiles")


def plant_tile(log: WholeLog) -> None:
    log.run("INSERT INTO tiles VALUES (?, 3, 0, zeroblob(32))", ORIGIN)


def edit_edge(log: WholeLog) -> None:
    log.run("UPDATE checkpoints SET edge = zeroblob(length(edge)) WHERE size > 400")


def lose_journal_row(log: WholeLog) -> None:
    log.run("DELETE FROM journal WHERE seq = (SELECT min(seq) FROM journal)")


def plant_journal_row(log: WholeLog) -> None:
    log.run("INSERT INTO journal VALUES (?, 7, 'change.staged', NULL)", ORIGIN)


def plant_late_journal_row(log: WholeLog) -> None:
    log.run("INSERT INTO journal VALUES (?, 99999, 'change.staged', NULL)", ORIGIN)


def retype_journal_row(log: WholeLog) -> None:
    log.run("UPDATE journal SET type = 'change.tested' WHERE seq = (SELECT min(seq) FROM journal)")


BESIDE: list[tuple[Callable[[WholeLog], None], Word]] = [
    (move_payload, Word.TAMPERED),
    (age_payload, Word.TAMPERED),
    (payload_as_text, Word.TAMPERED),
    (swap_payloads, Word.TAMPERED),
    (lose_payload, Word.MISSING),
    (lose_payload_key, Word.MISSING),
    (lose_month_key, Word.MISSING),
    (plant_payload, Word.TAMPERED),
    (other_month, Word.TAMPERED),
    (empty_payloads, Word.MISSING),
    (edit_tile, Word.TAMPERED),
    (edit_upper_tile, Word.TAMPERED),
    (lose_tile, Word.TAMPERED),
    (lose_upper_tile, Word.TAMPERED),
    (lose_tiles, Word.TAMPERED),
    (plant_tile, Word.TAMPERED),
    (edit_edge, Word.TAMPERED),
    (lose_journal_row, Word.TAMPERED),
    (plant_journal_row, Word.TAMPERED),
    (plant_late_journal_row, Word.TAMPERED),
    (retype_journal_row, Word.TAMPERED),
]


@pytest.mark.parametrize(("tamper", "word"), BESIDE, ids=[case[0].__name__ for case in BESIDE])
def test_what_lies_beside_is_held_against_the_entries(
    log: WholeLog, tamper: Callable[[WholeLog], None], word: Word
) -> None:
    log.change("exception", {"rules": []})
    anchor = log.fill(5).seal()
    assert log.judge(anchor).word is Word.OK
    tamper(log)
    verdict = log.judge(anchor)
    assert (verdict.word, verdict.exit_code) == (word, 1), verdict
    assert verdict.proven_before is not None
    assert MONTH.startswith(ORIGIN)


def test_copy_of_two_tables_is_evidence_enough(log: WholeLog) -> None:
    anchor = log.fill(5).seal()
    for table in ("tiles", "journal", "payloads", "payload_keys", "month_keys", "cosigned"):
        log.run(f"DROP TABLE {table}")
    assert log.judge(anchor).word is Word.OK
