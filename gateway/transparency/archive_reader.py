"""What an archive is read through: names and bytes of objects. Nothing is written here."""

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from gateway.transparency.errors import SourceError

MAX_OBJECT_BYTES = 1 << 30


class ArchiveReader(Protocol):
    """Objects by name, names with `/` between their parts. Raises SourceError."""

    @property
    def place(self) -> str:
        """How sentences call it."""

    def names(self) -> Iterable[str]:
        """The name of every object."""

    def read(self, name: str) -> bytes:
        """The object's bytes."""

    def findings(self) -> Sequence[str]:
        """What is odd about the objects, as sentences (another version, a delete marker)."""

    def reopener(self) -> "Callable[[], ArchiveReader] | None":
        """Opens the same objects in another process; picklable. None: it cannot be."""


class FolderReader:
    """The objects of a folder: an `ArchiveReader`. What begins with a dot is not finished."""

    def __init__(self, path: Path) -> None:
        """Raises SourceError when there is no such folder."""
        self._path = path
        if not path.is_dir():
            raise SourceError(f"cannot read {path}: there is no such folder")

    @property
    def place(self) -> str:
        """The folder's path."""
        return str(self._path)

    def names(self) -> Iterable[str]:
        """As ArchiveReader."""

        def fail(error: OSError) -> None:
            raise SourceError(f"cannot read {error.filename}: {error.strerror}") from None

        for parent, _folders, files in os.walk(self._path, onerror=fail):
            for file in files:
                if not file.startswith("."):
                    yield Path(parent, file).relative_to(self._path).as_posix()

    def read(self, name: str) -> bytes:
        """As ArchiveReader."""
        place = self._path / name
        try:
            # Without O_NONBLOCK a named pipe would hold us for ever.
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise SourceError(f"{place} is not a file")
                data = file.read(MAX_OBJECT_BYTES + 1)
        except OSError as error:
            raise SourceError(f"cannot read {place}: {error.strerror}") from None
        if len(data) > MAX_OBJECT_BYTES:
            raise SourceError(f"{place} is larger than any object of an archive")
        return data

    def findings(self) -> Sequence[str]:
        """As ArchiveReader: a folder keeps no versions."""
        return ()

    def reopener(self) -> Callable[[], ArchiveReader] | None:
        """As ArchiveReader."""
        return partial(FolderReader, self._path)
