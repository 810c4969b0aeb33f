"""Whatever is changed in a log that matters, it never verifies as whole."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transparency.checkpoint import Checkpoint
from gateway.transparency.verdict import WHOLE
from tests.unit.transparency.judging import judge_everywhere
from tests.unit.transparency.logs import SIGNER
from tests.unit.transparency.whole_logs import NEW, WholeLog

CLASSES = [f"{number:048x}" for number in range(4)]
# What a verifier answers for. A stored checkpoint may go (others sign the same), never change.
COLUMNS = {
    "entries": ("seq", "bytes", "leaf_hash"),
    "checkpoints": ("size", "root", "note", "edge"),
    "tiles": ("level", "idx", "hashes"),
    "journal": ("seq", "type"),
    "payloads": ("class_id", "sealed"),
    "payload_keys": ("class_id", "month_key"),
    "month_keys": ("id",),
}
DELETABLE = ("entries", "tiles", "journal", "payloads", "payload_keys", "month_keys")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint]:
    log = WholeLog(tmp_path_factory.mktemp("whole") / "log.db", SIGNER)
    log.fill(5).seal_payloads(CLASSES)
    log.seal()
    log.change("exception", {})
    log.hand_over(NEW)
    log.fill(270).seal()
    log.erase(CLASSES[:1])
    log.fill(3)
    anchor = log.seal()
    log.database.close()
    return log.path, anchor


def test_unchanged_log_is_whole(whole: tuple[Path, Checkpoint]) -> None:
    path, anchor = whole
    assert judge_everywhere(path, [SIGNER], [anchor]).exit_code == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_change_verifies(
    whole: tuple[Path, Checkpoint], tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    path, anchor = whole
    copy = tmp_path_factory.mktemp("changed") / "log.db"
    shutil.copy(path, copy)
    database = sqlite3.connect(copy)
    try:
        said = data.draw(st.sampled_from(["delete", "double", "change", "exchange"]))
        before = sorted(database.iterdump())  # the order of rows says nothing
        change(database, said, data)
        database.commit()
        if sorted(database.iterdump()) == before:
            return
    finally:
        database.close()
    verdict = judge_everywhere(copy, [SIGNER], [anchor])
    assert verdict.word not in WHOLE, verdict


def change(database: sqlite3.Connection, said: str, data: Any) -> None:
    table = data.draw(st.sampled_from(DELETABLE if said == "delete" else sorted(COLUMNS)))
    ids = [row for (row,) in database.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]
    one, other = data.draw(st.sampled_from(ids)), data.draw(st.sampled_from(ids))
    if said == "delete":
        database.execute(f"DELETE FROM {table} WHERE rowid = ?", (one,))
    elif said == "double" and table in ("entries", "tiles", "journal", "payloads"):
        database.execute(f"INSERT INTO {table} SELECT * FROM {table} WHERE rowid = ?", (one,))
    else:
        column = data.draw(st.sampled_from(COLUMNS[table]))
        values = dict(database.execute(f"SELECT rowid, {column} FROM {table}").fetchall())
        is_exchange = said == "exchange" and one != other
        new = values[other] if is_exchange else spoil(values[one], data)
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (new, one))
        if is_exchange:
            database.execute(
                f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (values[one], other)
            )


def spoil(value: object, data: Any) -> object:
    if isinstance(value, bytes) and value:
        at = data.draw(st.integers(0, len(value) - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        return value[:at] + bytes([value[at] ^ bit]) + value[at + 1 :]
    if isinstance(value, str) and value:
        at = data.draw(st.integers(0, len(value) - 1))
        return value[:at] + "~" + value[at + 1 :]
    if isinstance(value, int):
        return value + data.draw(st.sampled_from([-1, 1, 256, 10**9]))
    return b"spoiled"
