"""A folder that holds an exported tree, and how it grows: every file is written in `.incoming`,
made durable and renamed; the checkpoint last. What stands under the checkpoint is never touched.

`.incoming` stands from an export's beginning to its end. Found at the beginning of the next one, it
says that there may be files beyond the checkpoint, which then go.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from gateway.audit.errors import ExportError
from gateway.audit.tile_growth import NewTile
from gateway.durable_files import sync_folder, write_durably
from gateway.transparency.errors import SourceError
from gateway.transparency.folder_source import INCOMING, find_surplus
from gateway.transparency.notes import MAX_NOTE_BYTES
from gateway.transparency.tiles import BUNDLE_LEVEL, CHECKPOINT_PATH, TILE_WIDTH, TilePlace
from gateway.transparency.tree_source import UnverifiedHead, read_unverified_head

_WRITERS = 4  # a disk makes several files durable in about the time of one
_PENDING = "purged"
_FILE_MODE = 0o666  # less the umask: an export is to be published


class TreeFolder:
    """One export at work: holds the folder's lock. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Make the folder if there is none, and lock it; raises ExportError when it is no folder,
        cannot be written, holds other files, or another export is at work."""
        self.path = path
        self.head: UnverifiedHead | None = None
        self.written_files = 0
        self.written_bytes = 0
        with self._writing(path):
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._writers = ThreadPoolExecutor(_WRITERS, "export")
        self._touched: set[Path] = set()  # folders with new files in them
        self._is_ahead = False  # there may be files that no checkpoint vouches for
        self._is_publishing = False  # which checkpoint stands is not known
        try:
            self._begin()
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> "TreeFolder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # A rename or sync that failed may have taken effect: what it vouches for must stay, and
            # the next export looks.
            if not self._is_publishing:
                self._clear()
        except ExportError:
            if kind is None:
                raise  # else the first error says more, and the next export clears
        finally:
            self._release()

    @property
    def size(self) -> int:
        """Entries under the folder's checkpoint."""
        return self.head.size if self.head else 0

    def read(self, place: TilePlace) -> bytes:
        """A tile under the checkpoint; raises ExportError."""
        path = self.path / place.path
        try:
            return path.read_bytes()
        except OSError as error:
            raise ExportError(
                f"{path} cannot be read ({error.strerror}); export to a new folder"
            ) from None

    def write(self, tiles: Sequence[NewTile]) -> None:
        """Write what the tree under the checkpoint does not have yet; all of it is durable when
        this returns. Raises ExportError."""
        fresh = [(place, data) for place, data in tiles if place.needed_size() > self.size]
        self._is_ahead = self._is_ahead or bool(fresh)
        at_work = [self._writers.submit(self._write, place.path, data) for place, data in fresh]
        wait(at_work)  # all of them: what one of them left later would not be cleared
        with self._writing(self.path):
            for done in at_work:
                done.result()
        for place, data in fresh:
            self.written_files += 1
            self.written_bytes += len(data)
            folders = Path(place.path).parents  # up to the folder itself
            self._touched.update(self.path / folder for folder in folders)

    def publish(self, note: bytes, purged: Sequence[tuple[int, int]] = ()) -> None:
        """Make the checkpoint that stands over what was written the folder's, and then remove the
        bundles of what it says was purged: ranges `first, last` of entries. Raises ExportError."""
        with self._writing(self.path):
            for folder in sorted(self._touched, reverse=True):
                sync_folder(folder)
            if self.head is None:
                _sync_above(self.path)
            head = read_unverified_head(note, CHECKPOINT_PATH)
            if purged:
                lines = "".join(f"{head.size} {first} {last}\n" for first, last in purged)
                write_durably(
                    self.path / INCOMING / _PENDING, lines.encode(), _FILE_MODE, over=True
                )
                sync_folder(self.path / INCOMING)
            self._is_publishing = True
            self._write(CHECKPOINT_PATH, note)
            sync_folder(self.path)
            self._is_publishing = False
            self.head = head
            self._touched.clear()
            self._is_ahead = False
            self._remove_purged()

    def _begin(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ExportError(f"another export writes to {self.path}; wait for it") from None
        with self._writing(self.path):
            names = set(os.listdir(self.path))
            if other := sorted(names - {CHECKPOINT_PATH, "tile", INCOMING}):
                raise ExportError(f"{self.path} holds other files ({other[0]}): name a new folder")
            if CHECKPOINT_PATH in names:
                with (self.path / CHECKPOINT_PATH).open("rb") as file:
                    note = file.read(MAX_NOTE_BYTES + 1)
                self.head = read_unverified_head(note, str(self.path / CHECKPOINT_PATH))
            elif INCOMING not in names and next(find_surplus(self.path, 0), None):
                raise ExportError(f"{self.path} has lost its checkpoint: name a new folder")
            if INCOMING in names:
                sync_folder(self.path)  # the checkpoint may stand since, and not be durable yet
                self._is_ahead = True
                self._remove_purged()
                self._clear()
                self._is_ahead = False
            (self.path / INCOMING).mkdir()
            sync_folder(self.path)

    def _clear(self) -> None:
        """Remove what lies beyond the checkpoint, and then `.incoming`."""
        with self._writing(self.path):
            if self._is_ahead:
                gone = [self.path / surplus for surplus in find_surplus(self.path, self.size)]
                for surplus in gone:
                    surplus.unlink()
                for folder in {surplus.parent for surplus in gone}:
                    sync_folder(folder)  # before `.incoming`, which says that there may be some
            incoming = self.path / INCOMING
            for name in os.listdir(incoming):
                (incoming / name).unlink()
            incoming.rmdir()
            sync_folder(self.path)

    def _remove_purged(self) -> None:
        """Do the removals that the checkpoint vouches for. Written down before it, so that a crash
        between the two forgets none."""
        pending = self.path / INCOMING / _PENDING
        if not pending.exists():
            return
        for line in pending.read_text().splitlines():
            size, first, last = map(int, line.split())
            if size <= self.size:
                for index in range(first // TILE_WIDTH, (last + 1) // TILE_WIDTH):
                    self._remove_bundle(index)
        pending.unlink()

    def _remove_bundle(self, index: int) -> None:
        path = self.path / TilePlace(BUNDLE_LEVEL, index).path
        partials = path.with_name(path.name + ".p")
        if partials.exists():
            for partial in partials.iterdir():
                partial.unlink()
            partials.rmdir()
        path.unlink(missing_ok=True)

    def _write(self, path: str, data: bytes) -> None:
        incoming = self.path / INCOMING / path.replace("/", "_")
        write_durably(incoming, data, _FILE_MODE, over=True)
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(incoming, target)

    def _release(self) -> None:
        self._writers.shutdown()
        os.close(self._lock)  # and with it goes the lock

    @contextmanager
    def _writing(self, place: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            named = error.filename or place
            raise ExportError(f"cannot write the export: {named}: {error.strerror}") from None
        except SourceError as error:
            raise ExportError(str(error)) from None


def _sync_above(folder: Path) -> None:
    """Make the folder's own name durable, and those of the folders above, which may be new too."""
    device = folder.stat().st_dev
    for above in folder.resolve().parents:
        if above.stat().st_dev != device:
            return  # the folder below is where the file system is mounted
        with suppress(PermissionError):  # not ours to read, so not made by us
            sync_folder(above)
