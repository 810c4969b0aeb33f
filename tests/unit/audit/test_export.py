"""An exported tree is the log's, grows by what is new alone, and is whole at every moment."""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.audit import export, tree_folder
from gateway.audit.errors import ExportError
from gateway.audit.export import export_tree
from gateway.transparency.entry import encode_entry, leaf_hash
from gateway.transparency.errors import UnsignedError
from gateway.transparency.folder_source import FolderSource
from gateway.transparency.notes import Signer
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import SIGNER
from tests.fakes.trees import START_US, ListSource, make_entries, read_tree, tree_files, write_tree

ENTRIES = make_entries(1_200)
OTHER = Signer("other.example/log", Ed25519PrivateKey.generate())


def fork(at: int, count: int = 1_200) -> list[bytes]:
    """Another history, from entry `at` on."""
    made = ENTRIES[:at]
    for seq in range(at, count):
        prev = leaf_hash(made[-1])
        made.append(encode_entry(ORIGIN, seq, prev, START_US, "test.note", ACTOR, b'{"o":1}'))
    return made


def export_size(folder: Path, size: int) -> int:
    return export_tree(ListSource(ENTRIES[:size]), folder, SIGNER.verifier).files


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 1_200])
def test_the_tree_is_that_of_the_log(tmp_path: Path, size: int) -> None:
    exported = export_tree(ListSource(ENTRIES[:size]), tmp_path / "new" / "folder")
    files = read_tree(tmp_path / "new" / "folder")
    assert files == tree_files(ENTRIES[:size])
    del files["checkpoint"]
    assert (exported.origin, exported.from_size, exported.size) == (ORIGIN, 0, size)
    assert (exported.files, exported.bytes) == (len(files), sum(map(len, files.values())))


def test_later_only_what_is_new_is_written(tmp_path: Path) -> None:
    expected: dict[str, bytes] = {}
    places: dict[str, int] = {}
    for size in (1, 100, 256, 300, 300, 1_000, 1_200):
        written = export_size(tmp_path, size)
        expected |= tree_files(ENTRIES[:size])
        assert read_tree(tmp_path) == expected
        fresh = {path: (tmp_path / path).stat().st_ino for path in expected if path[0] == "t"}
        assert {path: fresh[path] for path in places} == places
        assert written == len(fresh) - len(places)
        places = fresh
        assert FolderSource(tmp_path).tail_problem() is None


def test_what_was_exported_is_not_read_again(tmp_path: Path) -> None:
    export_size(tmp_path, 700)
    asked: list[int] = []

    class Watched(ListSource):
        def entries(self, first: int = 0):  # type: ignore[no-untyped-def]
            asked.append(first)
            return super().entries(first)

    export_tree(Watched(ENTRIES), tmp_path)
    assert asked == [512]


def test_a_long_export_publishes_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "STAGE_ENTRIES", 300)
    source = ListSource(ENTRIES, sizes=[*range(1, 1_200, 7), 1_200])
    seen: list[int] = []
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        seen.append(FolderSource(tmp_path).estimate_entries() if done else 0)

    assert export_tree(source, tmp_path, progress=progress).size == 1_200
    assert told[-1] == (1_200, 1_200)
    assert [done for done, _ in told] == seen == [302, 603, 904, 1_200]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (lambda: ListSource(ENTRIES[:200]), "holds 300 entries, the log's newest checkpoint 200"),
        (lambda: ListSource(fork(50)[:300]), "another history"),
        (lambda: ListSource(fork(50)), "do not lead to the root|another history"),
        (lambda: ListSource(fork(280)), "another history"),
        (lambda: ListSource(make_entries(9, OTHER), signer=OTHER), "holds log"),
    ],
)
def test_a_folder_with_something_else_in_it_is_refused(
    tmp_path: Path, source: Callable[[], ListSource], sentence: str
) -> None:
    export_size(tmp_path, 300)
    before = read_tree(tmp_path)
    with pytest.raises(ExportError, match=sentence):
        export_tree(source(), tmp_path)
    assert read_tree(tmp_path) == before
    assert not (tmp_path / ".incoming").exists()


def test_a_fork_before_the_last_full_tile_is_refused(tmp_path: Path) -> None:
    """The hashes that are compared directly agree; only the root tells."""
    export_size(tmp_path, 512)
    forged = [*fork(50)[:512], *ENTRIES[512:]]
    before = read_tree(tmp_path)
    with pytest.raises(ExportError, match="do not lead to the root"):
        export_tree(ListSource(forged), tmp_path)
    assert read_tree(tmp_path) == before


def test_a_folder_whose_edge_was_changed_is_refused(tmp_path: Path) -> None:
    export_size(tmp_path, 300)
    for path in ("tile/0/001.p/44", "tile/1/000.p/1"):
        tile = tmp_path / path
        good = tile.read_bytes()
        changed = {bytes(32) + good[32:]: "they were changed", good[:-1]: "was changed: a tile of"}
        for bad, sentence in changed.items():
            tile.write_bytes(bad)
            with pytest.raises(ExportError, match=sentence):
                export_size(tmp_path, 600)
        tile.unlink()
        with pytest.raises(ExportError, match="cannot be read"):
            export_size(tmp_path, 600)
        tile.write_bytes(good)
    export_size(tmp_path, 600)


def test_a_log_that_is_not_what_it_signed_is_not_published(tmp_path: Path) -> None:
    entries = [*ENTRIES]
    entries[900] = entries[900].replace(b"entry 900", b"entry 901")
    good = ListSource(ENTRIES)
    changed = ListSource(entries)
    changed._notes = good._notes
    with pytest.raises(ExportError, match="gateway audit verify"):
        export_tree(changed, tmp_path)
    assert read_tree(tmp_path) == {}
    gap = ListSource(ENTRIES, absent=[1_150])
    with pytest.raises(ExportError, match="entries of 1024 to 1199 are missing"):
        export_tree(gap, tmp_path)


def test_the_checkpoint_must_be_of_the_key(tmp_path: Path) -> None:
    stranger = Signer(ORIGIN, Ed25519PrivateKey.generate())
    with pytest.raises(UnsignedError):
        export_tree(ListSource(ENTRIES), tmp_path / "new", stranger.verifier)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["notes.txt", ".lock", "log.db"])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ExportError, match=f"holds other files .{name}"):
        export_size(tmp_path, 1)
    assert read_tree(tmp_path) == {name: b"mine"}


def test_a_tree_without_its_checkpoint_is_refused(tmp_path: Path) -> None:
    export_size(tmp_path, 3)
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(ExportError, match="has lost its checkpoint"):
        export_size(tmp_path, 5)


def test_two_exports_at_once_are_refused(tmp_path: Path) -> None:
    lock = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(ExportError, match="another export"):
        export_size(tmp_path, 3)
    os.close(lock)
    export_size(tmp_path, 3)


def purge_entry(entries: list[bytes], first: int, last: int) -> bytes:
    body = canonical.encode({"first": first, "last": last, "id": "c1", "change": {}, "prior": 1})
    seq, prev = len(entries), leaf_hash(entries[-1])
    return encode_entry(ORIGIN, seq, prev, START_US, "entries.purged", ACTOR, body)


def purged_log() -> tuple[list[bytes], set[int]]:
    entries = [*ENTRIES[:800]]
    entries.append(purge_entry(entries, 256, 767))
    return entries, set(range(256, 768)) - {300, 301}  # some entries of a purged range stay


def test_purged_entries_have_no_bundle_and_keep_their_tile(tmp_path: Path) -> None:
    entries, absent = purged_log()
    export_tree(ListSource(entries, absent=absent), tmp_path)
    expected = tree_files(entries)
    del expected["tile/entries/001"], expected["tile/entries/002"]
    assert read_tree(tmp_path) == expected


def test_a_purge_takes_the_bundles_that_were_exported_before(tmp_path: Path) -> None:
    export_size(tmp_path, 700)
    entries, absent = purged_log()
    export_tree(ListSource(entries, absent=absent), tmp_path)
    expected = tree_files(ENTRIES[:700]) | tree_files(entries)
    gone = ["tile/entries/001", "tile/entries/002", "tile/entries/002.p/188"]
    assert read_tree(tmp_path) == {p: data for p, data in expected.items() if p not in gone}


class FailingDisk:
    """After `calls` writes, every further one fails: as if the machine had gone down there. With
    `persists`, the call that fails first has still done its work."""

    NAMES = ("replace", "fsync", "mkdir", "unlink", "rmdir")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls: int, persists: bool) -> None:
        self.left, self.persists = calls, persists
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name)))

    def _wrap(self, call: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **options: object) -> object:
            self.left -= 1
            if self.left == -1 and self.persists:
                call(*arguments, **options)
            if self.left < 0:
                raise OSError(errno.EIO, "the disk is gone")
            return call(*arguments, **options)

        return wrapped


@pytest.mark.parametrize("persists", [False, True])
def test_it_is_whole_wherever_it_is_cut_off_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, persists: bool
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # counted, and fast
    entries, absent = purged_log()
    source = ListSource(entries, absent=absent)
    expected = tree_files(ENTRIES[:700]) | tree_files(entries)
    for path in ("tile/entries/001", "tile/entries/002", "tile/entries/002.p/188"):
        del expected[path]
    write_tree(tmp_path / "before", ENTRIES[:700])
    cuts = 0
    while True:
        folder = tmp_path / str(cuts)
        shutil.copytree(tmp_path / "before", folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tree_folder, "_WRITERS", 1)  # the same order each time
            disk = FailingDisk(patch, cuts, persists)
            with contextlib.suppress(ExportError):
                export_tree(source, folder)
        if disk.left >= 0:
            break
        cuts += 1
        with FolderSource(folder) as found:
            held = {700: ENTRIES[:700], len(entries): entries}[found.estimate_entries()]
            for seq, data, leaf in chain.from_iterable(found.entries()):
                assert isinstance(seq, int)
                assert (data, leaf) == (held[seq], leaf_hash(held[seq]))
        export_tree(source, folder)
        assert read_tree(folder) == expected
        assert FolderSource(folder).tail_problem() is None
        shutil.rmtree(folder)
    assert cuts > 30
