"""Objects in a folder: whole or not at all, for their owner's eyes alone."""

import os
from pathlib import Path
from threading import Barrier, Thread

import pytest

from gateway.archive.errors import ArchiveError
from gateway.archive.folder import FolderStore


def test_files_and_folders_are_their_owners(tmp_path: Path) -> None:
    FolderStore(tmp_path / "a" / "b").put_once("segments/x", b"one", 0)
    assert (tmp_path / "a/b/segments/x").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "a/b/segments").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (tmp_path / "a/b/segments").iterdir()] == ["x"]


def test_of_many_writers_one_wins_and_nothing_is_left_over(tmp_path: Path) -> None:
    store, start, won = FolderStore(tmp_path), Barrier(8), list[int]()

    def write(number: int) -> None:
        start.wait()
        if store.put_once("segments/x", bytes([number]) * 100_000, 0):
            won.append(number)

    threads = [Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.get("segments/x") == bytes(won) * 100_000
    assert len(list((tmp_path / "segments").iterdir())) == 1


@pytest.mark.parametrize("failing", ["fsync", "link"])
def test_a_write_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    store = FolderStore(tmp_path)
    store.put_once("segments/w", b"one", 0)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(ArchiveError, match="No space left"):
        store.put_once("segments/x", b"one", 0)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "segments").iterdir()] == ["w"]
    assert store.put_once("segments/x", b"one", 0)


def test_an_object_is_synced_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, link = os.fsync, os.link

    def note_sync(descriptor: int) -> None:
        is_folder = os.path.isdir(f"/proc/self/fd/{descriptor}")
        done.append("folder" if is_folder else "file")
        fsync(descriptor)

    def note_link(source: Path, target: Path) -> None:
        done.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "link", note_link)
    FolderStore(tmp_path).put_once("segments/x", b"one", 0)
    assert done == ["folder", "file", "link", "folder"]


def test_a_file_system_without_links_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(ArchiveError, match="no hard links"):
        FolderStore(tmp_path).put_once("segments/x", b"one", 0)


def test_links_and_pipes_are_no_objects(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="is not a file"):
        FolderStore(tmp_path).get("pipe")
