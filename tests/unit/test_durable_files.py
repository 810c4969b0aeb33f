"""Files and names that survive a power cut; the cuts themselves are in tests/faults."""

import os
from pathlib import Path

import pytest

from gateway.durable_files import sync_file, sync_folder, write_durably


def test_a_new_file_has_its_content_and_mode(tmp_path: Path) -> None:
    write_durably(tmp_path / "new", b"content", 0o400)
    assert (tmp_path / "new").read_bytes() == b"content"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o400


def test_what_is_there_is_written_over_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_bytes(b"longer than new")
    with pytest.raises(FileExistsError):
        write_durably(path, b"new", 0o600)
    assert path.read_bytes() == b"longer than new"
    write_durably(path, b"new", 0o600, over=True)
    assert path.read_bytes() == b"new"


def test_a_new_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_durably(tmp_path / "link", b"content", 0o600)
    assert not (tmp_path / "elsewhere").exists()


def test_each_syncs_once_what_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def note(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        synced.append(f"{path} {os.fstat(descriptor).st_size if os.path.isfile(path) else ''}")

    monkeypatch.setattr(os, "fsync", note)
    write_durably(tmp_path / "file", b"content", 0o600)
    sync_file(tmp_path / "file")
    sync_folder(tmp_path)
    assert synced == [f"{tmp_path}/file 7", f"{tmp_path}/file 7", f"{tmp_path} "]
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "file")
