"""An exported folder as evidence: rows as they lie, and what is odd about them."""

import fcntl
import os
import pickle
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pytest

from gateway.transparency.entry import leaf_hash
from gateway.transparency.errors import SourceError
from gateway.transparency.folder_source import FolderSource
from gateway.transparency.source import Row
from tests.fakes.log import ORIGIN
from tests.fakes.trees import make_entries, sign_head, tree_files, write_tree

ENTRIES = make_entries(600)


def rows(source: FolderSource, first: int = 0) -> list[Row]:
    return list(chain.from_iterable(source.entries(first)))


def whole(entries: Sequence[bytes]) -> list[Row]:
    return [(seq, data, leaf_hash(data)) for seq, data in enumerate(entries)]


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 600])
def test_rows_tiles_and_checkpoint_come_as_they_lie(tmp_path: Path, size: int) -> None:
    write_tree(tmp_path, ENTRIES[:size])
    with FolderSource(tmp_path, ORIGIN) as source:
        assert (source.origin, source.estimate_entries()) == (ORIGIN, size)
        assert rows(source) == whole(ENTRIES[:size])
        for first in (1, 255, 256, 300):
            assert rows(source, first) == whole(ENTRIES[:size])[first:]
        hashes = [leaf_hash(data) for data in ENTRIES[:size]]
        for first, stop in ((0, size), (3, 4), (250, 300), (0, 10**9), (5, 5)):
            assert source.leaf_hashes(first, stop) == hashes[first:stop]
        files = tree_files(ENTRIES[:size])
        shown = {hashes for _level, _index, hashes in source.tiles()}
        assert shown == {data for path, data in files.items() if path[5:6].isdigit()}
        ((stored_size, _root, note),) = source.checkpoints()
        assert (stored_size, note) == (size, files["checkpoint"])
        assert list(source.checkpoints(size + 1)) == []
        assert source.tail_problem() is None


def test_the_full_tile_stands_in_for_a_partial_one_that_is_gone(tmp_path: Path) -> None:
    write_tree(tmp_path, ENTRIES)
    (tmp_path / "checkpoint").write_text(sign_head(ENTRIES[:300]))
    with FolderSource(tmp_path) as source:
        assert rows(source) == whole(ENTRIES[:300])
        assert len(source.leaf_hashes(0, 600)) == 300


def test_a_bundle_that_is_gone_leaves_a_gap_and_its_hashes(tmp_path: Path) -> None:
    write_tree(tmp_path, ENTRIES)
    (tmp_path / "tile/entries/001").unlink()
    with FolderSource(tmp_path) as source:
        assert rows(source) == whole(ENTRIES)[:256] + whole(ENTRIES)[512:]
        assert len(source.leaf_hashes(256, 512)) == 256


def test_a_tile_that_is_gone_leaves_no_hash(tmp_path: Path) -> None:
    write_tree(tmp_path, ENTRIES)
    (tmp_path / "tile/0/001").unlink()
    with FolderSource(tmp_path) as source:
        assert [row[2] is None for row in rows(source)] == [256 <= seq < 512 for seq in range(600)]
        assert (0, 1, None) in list(source.tiles())
        assert len(source.leaf_hashes(0, 600)) == 256


@pytest.mark.parametrize(
    ("change", "seq"),
    [
        (lambda data: data[:-1], 511),
        (lambda data: data + b"\x00", 511),
        (lambda data: data + b"\x00\x01x", 511),
        (lambda data: data[:2], 256),
    ],
)
def test_a_torn_or_padded_bundle_has_a_row_without_bytes(
    tmp_path: Path, change: "object", seq: int
) -> None:
    assert callable(change)
    write_tree(tmp_path, ENTRIES)
    path = tmp_path / "tile/entries/001"
    path.write_bytes(change(path.read_bytes()))
    with FolderSource(tmp_path) as source:
        assert [row[0] for row in rows(source) if row[1] is None] == [seq]


def test_a_partial_tile_of_before_must_be_the_beginning_of_the_wider_one(tmp_path: Path) -> None:
    write_tree(tmp_path, ENTRIES[:100])
    write_tree(tmp_path, ENTRIES)
    with FolderSource(tmp_path) as source:
        assert rows(source) == whole(ENTRIES)
    bundle = tmp_path / "tile/entries/000.p/100"
    good = bundle.read_bytes()
    bundle.write_bytes(good.replace(b'entry 7"', b'entry 8"'))
    with FolderSource(tmp_path) as source:
        assert [row[0] for row in rows(source) if row not in whole(ENTRIES)] == [7]
    bundle.write_bytes(good[:-1])
    with FolderSource(tmp_path) as source:
        assert [row[0] for row in rows(source) if row not in whole(ENTRIES)] == [99]
    bundle.write_bytes(good)
    tile = tmp_path / "tile/0/000.p/100"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    with FolderSource(tmp_path) as source:
        assert (0, 0, tile.read_bytes()) in list(source.tiles())


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/003",
        "tile/0/002",
        "tile/entries/002.p/89",
        "tile/1/000.p/3",
        "tile/2/000.p/1",
        "tile/0/old",
        "tile/0/000.tmp",
    ],
)
def test_a_file_beyond_the_checkpoint_is_a_torn_tail(tmp_path: Path, path: str) -> None:
    write_tree(tmp_path, ENTRIES)
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(b"x")
    with FolderSource(tmp_path) as source:
        problem = source.tail_problem()
        assert problem is not None
        assert path in problem
        assert rows(source) == whole(ENTRIES)


def test_an_export_at_work_is_no_torn_tail(tmp_path: Path) -> None:
    write_tree(tmp_path, ENTRIES[:300])
    (tmp_path / ".incoming").mkdir()
    with FolderSource(tmp_path) as source:
        assert ".incoming" in (source.tail_problem() or "")
        lock = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert source.tail_problem() is None
        os.close(lock)
        (tmp_path / ".incoming").rmdir()
        write_tree(tmp_path, ENTRIES)  # it came to its end while we read
        assert source.tail_problem() is None
        assert rows(source) == whole(ENTRIES[:300])


def test_it_is_opened_again_at_the_same_checkpoint(tmp_path: Path) -> None:
    write_tree(tmp_path, ENTRIES[:300])
    opener = pickle.loads(pickle.dumps(FolderSource(tmp_path).opener()))
    write_tree(tmp_path, ENTRIES)
    assert opener().estimate_entries() == 300
    assert FolderSource(tmp_path).estimate_entries() == 600


def test_a_claimed_size_that_nothing_stands_behind_is_not_searched_for(tmp_path: Path) -> None:
    write_tree(tmp_path, ENTRIES[:300])
    note = (tmp_path / "checkpoint").read_text().replace("\n300\n", f"\n{2**63 - 1}\n")
    (tmp_path / "checkpoint").write_text(note)
    with FolderSource(tmp_path) as source:
        # The partial tiles of 300 are not those that such a size asks for.
        assert rows(source) == whole(ENTRIES[:256])
        assert len(list(source.tiles())) < 4_000
        assert len(source.leaf_hashes(0, 2**62)) == 256


@pytest.mark.parametrize(
    "note", [b"", b"x", b"a\nb\nc\n", b"a\n-1\nAAAA\n\n", b"a\n1\nAAAA\n\n", b"\xff\n1\n\n\n"]
)
def test_what_is_no_checkpoint_is_no_evidence(tmp_path: Path, note: bytes) -> None:
    write_tree(tmp_path, ENTRIES[:3])
    (tmp_path / "checkpoint").write_bytes(note)
    with pytest.raises(SourceError, match="is not a checkpoint"):
        FolderSource(tmp_path)


def test_another_log_no_log_and_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no log"):
        FolderSource(tmp_path)
    write_tree(tmp_path, ENTRIES[:3])
    with pytest.raises(SourceError, match="no log 'other'"):
        FolderSource(tmp_path, "other")
    (tmp_path / "checkpoint").unlink()
    os.mkfifo(tmp_path / "checkpoint")
    with pytest.raises(SourceError, match="is not a file"):
        FolderSource(tmp_path)
