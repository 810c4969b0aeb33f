"""A log out of an archive: read as it lies, and every change of an object found."""

import pickle
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.archive.archiver import Archiver
from gateway.archive.folder import FolderStore
from gateway.archive.writing import ArchiveTerms
from gateway.clock import ManualClock
from gateway.transparency.archive_source import (
    ArchiveSource,
    is_folder_archive,
    open_folder_archive,
)
from gateway.transparency.errors import SourceError
from gateway.transparency.notes import Signer, Verifier
from gateway.transparency.segments import SegmentPlace, checkpoint_name, log_folder
from gateway.transparency.verdict import Verdict, Word
from gateway.transparency.verify import verify_log
from tests.fakes.sealed_log import ORIGIN, GrowingLog

FIRST, MIDDLE, LAST = SegmentPlace(0, 8), SegmentPlace(9, 18), SegmentPlace(19, 27)
SIZES = (9, 19, 28)


@pytest.fixture(scope="module")
def log() -> GrowingLog:
    return grown(SIZES)


def grown(sizes: tuple[int, ...], log: GrowingLog | None = None) -> GrowingLog:
    log = log or GrowingLog()
    for size in sizes:
        log.grow(size - len(log.data)).seal()
    return log


@pytest.fixture(scope="module")
def archive(log: GrowingLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write(log, folder)
    return folder


def write(log: GrowingLog, folder: Path) -> None:
    store = FolderStore(folder / log_folder(log.origin))
    Archiver(log, store, ArchiveTerms("eu-west-1", 7, segment_entries=10), ManualClock()).run_once()


def verify(log: GrowingLog, folder: Path, *anchors: int) -> Verdict:
    with open_folder_archive(folder) as source:
        kept = [log.checkpoint(size) for size in anchors]
        return verify_log(source, source.origin, log.signer.verifier, kept)


def seqs(source: ArchiveSource, first: int = 0) -> list[object]:
    return [row[0] for batch in source.entries(first) for row in batch]


def test_a_whole_archive_verifies_alone(log: GrowingLog, archive: Path) -> None:
    assert is_folder_archive(archive)
    assert verify(log, archive).word is Word.UNANCHORED
    verdict = verify(log, archive, 28)
    assert (verdict.word, verdict.entries, verdict.sealed) == (Word.OK, 28, 28)
    assert verify(log, archive / log_folder(ORIGIN), 28).word is Word.OK


def test_reading_begins_where_it_is_told(archive: Path) -> None:
    with open_folder_archive(archive) as source:
        assert source.start() == (0, b"", "")
        assert source.estimate_entries() == 28
        assert seqs(source, 17) == list(range(17, 28))
        assert [row[0] for row in source.checkpoints(19)] == [19, 28]
        assert list(source.leaf_hashes(0, 28)) == []
        assert list(source.tiles()) == []


def test_another_process_opens_the_same(archive: Path) -> None:
    with open_folder_archive(archive) as source:
        again = pickle.loads(pickle.dumps(source.opener()))()
        assert seqs(again) == seqs(source)


Change = Callable[[bytes], bytes]
Body = dict[str, canonical.Value]


def swap(old: bytes, new: bytes) -> Change:
    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return change


def head_value(name: str, value: canonical.Value) -> Change:
    def change(data: bytes) -> bytes:
        line, _, body = data.partition(b"\n")
        head = canonical.decode(line)
        assert isinstance(head, dict)
        assert head[name] != value
        return canonical.encode(head | {name: value}) + b"\n" + body

    return change


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        (FIRST.name, swap(b'{"n":3}', b'{"n":4}'), Word.TAMPERED),
        (MIDDLE.name, swap(b'{"n":13}', b'{"n":31}'), Word.TAMPERED),
        (LAST.name, swap(b'{"n":27}', b'{"n":72}'), Word.TAMPERED),
        (MIDDLE.name, head_value("sha256", "00" * 32), Word.TAMPERED),
        (MIDDLE.name, head_value("edge", "11" * 64), Word.TAMPERED),
        (MIDDLE.name, head_value("edge", ""), Word.TAMPERED),
        (MIDDLE.name, head_value("before", "nothing\n"), Word.TAMPERED),
        (MIDDLE.name, head_value("checkpoint", ""), Word.TAMPERED),
        (MIDDLE.name, head_value("count", 9), Word.TAMPERED),
        (MIDDLE.name, head_value("first", 10), Word.TAMPERED),
        (MIDDLE.name, head_value("v", 2), Word.TAMPERED),
        (MIDDLE.name, lambda data: b" " + data, Word.TAMPERED),
        (MIDDLE.name, lambda data: data + b"\x00", Word.TAMPERED),
        (MIDDLE.name, lambda data: data[:-1], Word.TAMPERED),
        (MIDDLE.name, lambda data: b"", Word.TAMPERED),
        (MIDDLE.name, lambda data: b"\x00" * len(data), Word.TAMPERED),
        (LAST.name, lambda data: data[:-1], Word.TAMPERED),
        (LAST.name, lambda data: data + b"\x00", Word.TAMPERED),
        (checkpoint_name(19), swap(b"\n19\n", b"\n18\n"), Word.TAMPERED),
        (checkpoint_name(19), lambda data: b"", Word.TAMPERED),
        (checkpoint_name(28), lambda data: data[:-9], Word.TAMPERED),
        ("log.json", swap(b'"v":1', b'"v":2'), Word.UNVERIFIABLE),
        ("log.json", swap(b"+", b"-"), Word.UNVERIFIABLE),
        ("log.json", swap(b"example.org/log", b"example.org/gol"), Word.UNVERIFIABLE),
    ],
)
def test_no_change_of_an_object_verifies(
    log: GrowingLog, archive: Path, tmp_path: Path, name: str, change: Change, word: Word
) -> None:
    folder = copy(archive, tmp_path)
    path = folder / log_folder(ORIGIN) / name
    path.chmod(0o600)
    path.write_bytes(change(path.read_bytes()))
    assert judged(log, folder) is word


def judged(log: GrowingLog, folder: Path) -> Word:
    try:
        return verify(log, folder, 28).word
    except SourceError:
        return Word.UNVERIFIABLE


def copy(archive: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(archive, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("gone", "word"),
    [
        ([FIRST.name], Word.MISSING),
        ([MIDDLE.name], Word.MISSING),
        ([MIDDLE.name, checkpoint_name(19)], Word.MISSING),
        ([LAST.name], Word.ROLLBACK),
        ([LAST.name, checkpoint_name(28)], Word.ROLLBACK),
        ([checkpoint_name(19)], Word.OK),  # the segments name it, too
        (["log.json"], Word.UNVERIFIABLE),
    ],
)
def test_what_is_gone_is_missing(
    log: GrowingLog, archive: Path, tmp_path: Path, gone: list[str], word: Word
) -> None:
    folder = copy(archive, tmp_path)
    for name in gone:
        (folder / log_folder(ORIGIN) / name).unlink()
    assert judged(log, folder) is word


def test_a_note_beside_a_segment_says_that_it_was_there(
    log: GrowingLog, archive: Path, tmp_path: Path
) -> None:
    folder = copy(archive, tmp_path)
    (folder / log_folder(ORIGIN) / LAST.name).unlink()
    assert verify(log, folder, 19).word is Word.MISSING


@pytest.mark.parametrize("left", [0, 10, 700, 2_000])
def test_a_torn_last_segment_is_a_crash_tail(
    log: GrowingLog, archive: Path, tmp_path: Path, left: int
) -> None:
    folder = copy(archive, tmp_path)
    path = folder / log_folder(ORIGIN) / LAST.name
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:left])
    (folder / log_folder(ORIGIN) / checkpoint_name(28)).unlink()
    with open_folder_archive(folder) as source:
        assert "is cut short" in str(source.tail_problem())
        assert seqs(source) == list(range(19))
    verdict = verify(log, folder, 19)
    assert (verdict.word, verdict.sealed) == (Word.CRASH_TAIL, 19)


def test_an_archive_without_its_oldest_segments_needs_the_purge_that_took_them(
    tmp_path: Path,
) -> None:
    log = grown((256,), GrowingLog())
    if_purged = tmp_path / "purged"
    unexplained = tmp_path / "unexplained"
    write(grown((260,), log), unexplained)
    approve_purge(log, 255)
    write(log.seal(), if_purged)
    for folder in (unexplained, if_purged):
        (folder / log_folder(ORIGIN) / SegmentPlace(0, 255).name).unlink()
        with open_folder_archive(folder) as source:
            assert source.start() == (256, log.heads[256].edge, log.heads[256].note)
    assert verify(log, unexplained, 260).word is Word.MISSING
    assert verify(log, if_purged, len(log.data)).word is Word.PURGED


class TwoKeys(GrowingLog):
    """A log of which two keys signed something."""

    def __init__(self) -> None:
        super().__init__()
        self.retired = Signer(ORIGIN, Ed25519PrivateKey.generate())

    def keys(self) -> Sequence[Verifier]:
        return [self.retired.verifier, self.signer.verifier]


def test_a_retired_key_signs_nothing_more_in_an_archive_that_begins_late(tmp_path: Path) -> None:
    """Entry 0, and with it whose turn it is, is not there: who signed what lies before says so."""
    log = TwoKeys()
    grown((256,), log)
    approve_purge(log, 255)
    anchor = log.seal().checkpoint(len(log.data))
    good, log.signer = log.signer, log.retired
    log.grow(5).seal()
    log.signer, log.retired = good, log.signer
    write(log, tmp_path)
    (tmp_path / log_folder(ORIGIN) / SegmentPlace(0, 255).name).unlink()
    for keys in (log.keys(), log.keys()[::-1]):
        with open_folder_archive(tmp_path) as source:
            verdict = verify_log(source, source.origin, keys, [anchor])
        assert verdict.word is Word.TAMPERED, verdict
        assert verdict.proven_before is not None


def approve_purge(log: GrowingLog, last: int) -> None:
    id = f"c{len(log.data)}"
    subject: canonical.Value = {"what": "entries", "first": 0, "last": last}
    ada: Body = {"user": "spiffe://example.org/operator/ada"}
    bob: Body = {"user": "spiffe://example.org/approver/bob"}
    staged: Body = {"kind": "purge", "key": "aa", "subject": subject, "change": ada}
    log.grow(1, "change.staged", staged | {"prior": None})
    approved: Body = {"id": id, "bundle": "", "losses_hash": "", "key": "bb", "change": bob}
    log.grow(1, "change.approved", approved | {"prior": len(log.data) - 1})
    done: Body = {"id": id, "first": 0, "last": last, "change": ada}
    log.grow(1, "entries.purged", done | {"prior": len(log.data) - 1})


def test_one_archive_holds_several_logs(log: GrowingLog, tmp_path: Path) -> None:
    other = grown((5,), GrowingLog("example.org/log~2"))
    write(log, tmp_path)
    write(other, tmp_path)
    with pytest.raises(SourceError, match=r"holds several logs.*'example.org/log'"):
        open_folder_archive(tmp_path)
    with open_folder_archive(tmp_path, "example.org/log~2") as source:
        assert seqs(source) == list(range(5))
    with pytest.raises(SourceError, match="holds no log 'x'"):
        open_folder_archive(tmp_path, "x")


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no log\.json"):
        open_folder_archive(tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        open_folder_archive(tmp_path / "x")
    assert not is_folder_archive(tmp_path)


def test_a_plant_beside_a_segment_is_left_out_and_one_behind_all_is_shown(
    log: GrowingLog, archive: Path, tmp_path: Path
) -> None:
    folder = copy(archive, tmp_path)
    segments = folder / log_folder(ORIGIN)
    (segments / SegmentPlace(0, 9_999).name).write_bytes(b"{}\nplant")
    with open_folder_archive(folder) as source:
        assert seqs(source) == list(range(28))
        assert len(source.findings()) == 1
    assert verify(log, folder, 28).word is Word.OK
    (segments / SegmentPlace(40, 49).name).write_bytes((segments / LAST.name).read_bytes())
    assert verify(log, folder, 28).word is Word.MISSING
