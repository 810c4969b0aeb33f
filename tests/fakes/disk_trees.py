"""Copies of a log outside its database on a failing disk: an exported tree and an archive. At every
moment a stranger who reads them finds what was told of them, whole."""

from pathlib import Path

from gateway.archive.archiver import Archiver
from gateway.archive.folder import FolderStore
from gateway.archive.writing import ArchiveTerms
from gateway.audit.export import export_tree
from gateway.clock import ManualClock
from gateway.errors import GatewayError
from gateway.transparency.archive_source import open_folder_archive
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.folder_source import FolderSource
from gateway.transparency.segments import log_folder
from gateway.transparency.source import LogSource
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.disk_child import Told, World
from tests.fakes.sealed_log import GrowingLog
from tests.fakes.sql_logs import SIGNER
from tests.fakes.trees import ListSource, make_entries, read_tree, sign_head, tree_files

_SIZES = (100, 300, 530)
_ENTRIES = make_entries(_SIZES[-1])
_TREE = "exports/of/tree"
_ARCHIVE = "archive"
_TERMS = ArchiveTerms("eu-west-1", 7, segment_entries=150)


async def export_as_it_grows(world: World) -> None:
    """Export to a new folder, then what is new, each time told when it is done."""
    for size in _SIZES:
        try:
            export_tree(ListSource(_ENTRIES[:size]), world.folder / _TREE, SIGNER.verifier)
        except GatewayError as error:
            world.tell("unanswered", why=str(error))
        else:
            world.tell("done", size=size)


def assert_export_recovers(folder: Path, told: Told) -> None:
    """The tree is whole as it lies, and the next export completes it."""
    done = _newest(told)
    if (folder / _TREE / "checkpoint").exists() or done:
        _assert_whole(FolderSource(folder / _TREE), done, {Word.OK, Word.CRASH_TAIL})
    export_tree(ListSource(_ENTRIES), folder / _TREE, SIGNER.verifier)
    found = read_tree(folder / _TREE)
    for path, content in tree_files(_ENTRIES).items():
        assert found.get(path) == content, path
    _assert_whole(FolderSource(folder / _TREE), _SIZES[-1], {Word.OK})


async def archive_as_it_grows(world: World) -> None:
    """Write segments to a new folder, then what is new, each time told when it is done."""
    log = GrowingLog(signer=SIGNER)
    archiver = _archiver(log, world.folder)
    for size in _SIZES:
        log.grow(size - len(log.data)).seal()
        try:
            status = archiver.run_once()
        except GatewayError as error:
            world.tell("unanswered", why=str(error))
        else:
            assert (status.archived, status.problems) == (size, ()), status
            world.tell("done", size=size)


def assert_archive_recovers(folder: Path, told: Told) -> None:
    """The archive is whole as it lies, and the next run completes it."""
    done = _newest(told)
    log = _grown()
    if done:
        with open_folder_archive(folder / _ARCHIVE) as source:
            _assert_signed(source, log, done, {Word.OK, Word.CRASH_TAIL})
    status = _archiver(log, folder).run_once()
    assert (status.archived, status.problems) == (_SIZES[-1], ())
    with open_folder_archive(folder / _ARCHIVE) as source:
        _assert_signed(source, log, _SIZES[-1], {Word.OK})


def _grown() -> GrowingLog:
    log = GrowingLog(signer=SIGNER)
    for size in _SIZES:
        log.grow(size - len(log.data)).seal()
    return log


def _archiver(log: GrowingLog, folder: Path) -> Archiver:
    store = FolderStore(folder / _ARCHIVE / log_folder(log.origin))
    return Archiver(log, store, _TERMS, ManualClock())


def _newest(told: Told) -> int:
    return max((int(str(telling["size"])) for telling in told.of("done")), default=0)


def _assert_whole(source: LogSource, done: int, words: set[Word]) -> None:
    anchors = [open_checkpoint(sign_head(_ENTRIES[: done or 1]), SIGNER.verifier)]
    verdict = verify_log(source, SIGNER.name, SIGNER.verifier, anchors)
    assert verdict.word in words, verdict.sentence


def _assert_signed(source: LogSource, log: GrowingLog, done: int, words: set[Word]) -> None:
    anchors = [log.checkpoint(done)]
    verdict = verify_log(source, SIGNER.name, SIGNER.verifier, anchors)
    assert verdict.word in words, verdict.sentence
