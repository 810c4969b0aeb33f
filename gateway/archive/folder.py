"""Objects in a folder. It locks nothing: the machine's own permissions and copies must."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gateway.archive.errors import ArchiveError
from gateway.archive.port import Retention, Version
from gateway.durable_files import sync_folder, write_durably
from gateway.transparency.archive_reader import FolderReader
from gateway.transparency.errors import SourceError

_FILE_MODE = 0o400
_FOLDER_MODE = 0o700


class FolderStore:
    """An `ObjectStore` below one folder, which is made when something is first written."""

    keeps_dates = False

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        """The folder's path."""
        return f"{self._path}/"

    def put_once(self, name: str, content: bytes, until_us: int) -> bool:
        """As ObjectStore. Written beside under a name that begins with a dot, synced, and linked to
        its own name, which fails when that is taken; then the folder is synced."""
        target = self._path / name
        beside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            if target.exists():
                sync_folder(target.parent)  # whoever wrote it may have died before that
                return False
            _make_folders(target.parent)
            try:
                write_durably(beside, content, _FILE_MODE)
                os.link(beside, target)
            finally:
                with suppress(OSError):  # a name too many, which nobody reads
                    beside.unlink(missing_ok=True)
            sync_folder(target.parent)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise ArchiveError(
                    f"{self._path}: the archive's file system has no hard links; choose another"
                ) from None
            raise ArchiveError(f"cannot write {target}: {error.strerror}") from None
        return True

    def put_version(self, name: str, content: bytes, until_us: int) -> None:
        """As ObjectStore: a folder keeps no versions."""
        raise ArchiveError(f"{self._path / name} is not what the log says and stands in its place")

    def get(self, name: str, version_id: str = "") -> bytes:
        """As ObjectStore."""
        try:
            return FolderReader(self._path).read(name)
        except SourceError as error:
            raise ArchiveError(str(error)) from None

    def versions(self, prefix: str = "", start: str = "") -> Iterator[Version]:
        """As ObjectStore: one of each name."""
        if not self._path.exists():
            return
        try:
            names = sorted(FolderReader(self._path).names())
            for folder in {(self._path / name).parent for name in names}:
                sync_folder(folder)  # whoever wrote them may have died, or failed, before that
            for name in names:
                if name.startswith(prefix) and name >= start:
                    stat = (self._path / name).stat()
                    yield Version(name, "", stat.st_mtime_ns // 1000, stat.st_size)
        except SourceError as error:
            raise ArchiveError(str(error)) from None
        except OSError as error:
            raise ArchiveError(f"cannot read {error.filename}: {error.strerror}") from None

    def retention(self, name: str, version_id: str = "") -> Retention | None:
        """As ObjectStore: none."""
        return None

    def is_locked(self, name: str, version_id: str = "") -> bool:
        """As ObjectStore: never."""
        return False

    def extend(self, name: str, version_id: str, until_us: int) -> None:
        """As ObjectStore: there is nothing to move."""


def _make_folders(path: Path) -> None:
    """Make the folder and those above it, each synced into the one above."""
    missing = [path, *path.parents]
    missing = missing[: next(at for at, folder in enumerate(missing) if folder.is_dir())]
    for folder in reversed(missing):
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        try:
            sync_folder(folder.parent)
        except OSError:
            with suppress(OSError):
                folder.rmdir()  # else the next try would find it there and not sync it
            raise
