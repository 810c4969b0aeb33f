"""The log as an exported folder holds it (docs/formats.md section 13)."""

import fcntl
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from gateway.transparency.entry import HASH_BYTES
from gateway.transparency.errors import SourceError, TileError
from gateway.transparency.notes import MAX_NOTE_BYTES
from gateway.transparency.source import Opener
from gateway.transparency.tiles import (
    CHECKPOINT_PATH,
    MAX_BUNDLE_BYTES,
    TILE_WIDTH,
    TilePlace,
    parse_tile_path,
    read_bundle,
)
from gateway.transparency.tree_source import TreeSource, read_unverified_head

INCOMING = ".incoming"  # where an export keeps what it has not finished


class FolderSource(TreeSource):
    """One exported log: a `LogSource` over the checkpoint that stood there when it was opened.

    Partial tiles of earlier sizes must be the beginning of the wider ones; one that is not is shown
    in their place, so that whoever verifies finds it.
    """

    def __init__(self, path: Path, log: str | None = None) -> None:
        """Raises SourceError when the folder holds no log, or another than `log`."""
        self._path = path
        super().__init__(str(path), log)

    @classmethod
    def at_checkpoint(cls, path: Path, note: bytes) -> "FolderSource":
        """The same folder as far as an earlier checkpoint of it reaches."""
        made = cls.__new__(cls)
        made._path = path
        TreeSource.__init__(made, str(path), None, note)
        return made

    def read(self, path: str, limit: int) -> bytes | None:
        """As TreeSource."""
        place = self._path / path
        try:
            # Without O_NONBLOCK a named pipe would hold us for ever.
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise SourceError(f"{place} is not a file")
                return file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SourceError(f"cannot read {place}: {error.strerror}") from None

    def find_odd_partial(self, place: TilePlace, data: bytes) -> bytes | None:
        """As TreeSource: among the partial tiles that lie beside it."""
        for width in _widths(self._path / f"{place.full.path}.p"):
            if width >= place.width:
                continue
            narrow = TilePlace(place.level, place.index, width)
            found = self.read(narrow.path, MAX_BUNDLE_BYTES)
            if found is not None and not (data.startswith(found) and _is_of_width(narrow, found)):
                return found
        return None

    def tail_problem(self) -> str | None:
        """The first file that belongs to a larger tree than the newest checkpoint's, or to none:
        what an export left that did not come to its end. None while an export is at work."""
        if _is_locked(self._path):
            return None
        note = self.read(CHECKPOINT_PATH, MAX_NOTE_BYTES)
        if note is None:
            return f"the file {CHECKPOINT_PATH} is gone"
        size = max(self.head.size, read_unverified_head(note, CHECKPOINT_PATH).size)
        if (self._path / INCOMING).exists():
            return f"an export did not come to its end: {INCOMING} lies there; export again"
        surplus = next(find_surplus(self._path, size), None)
        if surplus is None:
            return None
        return f"{surplus} does not belong to the {size} entries of the checkpoint; export again"

    def opener(self) -> "Opener | None":
        """As LogSource: opens the folder at this same checkpoint."""
        return partial(FolderSource.at_checkpoint, self._path, self.head.note)


def find_surplus(folder: Path, size: int) -> Iterator[Path]:
    """Files below `tile/` that a tree of `size` entries and its earlier ones do not have; paths
    are relative to `folder`. Raises SourceError."""

    def fail(error: OSError) -> None:
        raise SourceError(f"cannot read {error.filename}: {error.strerror}") from None

    top = folder / "tile"
    for parent, folders, names in os.walk(top, onerror=fail) if top.exists() else ():
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name).relative_to(folder)
            try:
                if parse_tile_path(path.as_posix()).needed_size() <= size:
                    continue
            except TileError:
                pass
            yield path


def _widths(folder: Path) -> list[int]:
    """The widths of the partial tiles in a folder `<N>.p`."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SourceError(f"cannot read {folder}: {error.strerror}") from None
    usual = (int(name) for name in names if name.isascii() and name.isdigit() and len(name) < 4)
    return sorted(width for width in usual if 0 < width < TILE_WIDTH)


def _is_of_width(place: TilePlace, data: bytes) -> bool:
    if not place.is_bundle:
        return len(data) == place.width * HASH_BYTES
    entries, is_whole = read_bundle(data)
    return is_whole and len(entries) == place.width


def _is_locked(folder: Path) -> bool:
    """Whether an export holds the folder's lock."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"cannot read {folder}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
