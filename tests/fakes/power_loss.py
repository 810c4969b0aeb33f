"""What a disk holds when the machine dies, worked out from a trace of calls.

The rules are those of POSIX and fsync(2), not of one file system: what was written to a file
is on the disk when a later fsync of the file was answered, a name when a later fsync of its folder
was. Anything else may be there in part or not at all. After an fsync that failed, what it should
have brought to the disk is gone for good, although reading still shows it: a kernel marks such
pages clean.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from tests.fakes.failing_disk import Call, Kind

PAGE_BYTES = 512  # a disk's sector: what is written in one go


class Survival(Enum):
    """What of the things that no fsync covers is there afterwards."""

    NOTHING = "nothing"
    NAMES = "names"  # names and no contents: files that are empty or as they were
    SOME = "some"  # any part of the contents, and the names up to some moment
    EVERYTHING = "everything"  # the process died, the machine did not


@dataclass(slots=True)
class _File:
    is_folder: bool = False
    cached: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: cut to the size

    def change(self, offset: int, data: bytes | None) -> None:
        _apply(self.cached, offset, data)
        self.waiting.append((offset, data))

    def settle(self) -> None:
        for offset, data in self.waiting:
            _apply(self.durable, offset, data)
        self.waiting.clear()

    def lose(self, draw: random.Random | None) -> None:
        """A failed fsync: each page may have come to the disk before, and none will any more."""
        self.durable = self.after(draw)
        self.waiting.clear()

    def after(self, draw: random.Random | None) -> bytearray:
        found = bytearray(self.durable)
        for offset, data in _pieces(self.waiting) if draw else ():
            if draw and draw.random() < 0.5:
                _apply(found, offset, data)
        return found


_Names = dict[str, _File]


@dataclass(frozen=True, slots=True)
class _Naming:
    """One change of names: `path` is taken away, then `other` means `file`."""

    path: str | None
    other: str | None
    file: _File | None

    def apply(self, names: _Names) -> None:
        if self.path is not None:
            names.pop(self.path, None)
        if self.other is not None and self.file is not None:
            names[self.other] = self.file

    @property
    def folder(self) -> str:
        return str(Path(self.other or self.path or "").parent)


@dataclass(frozen=True, slots=True)
class Before:
    """What lies below `folder`, all of it durable: path, inode, content (None: a folder)."""

    folder: Path
    files: tuple[tuple[str, int, bytes | None], ...]

    @classmethod
    def of(cls, folder: Path) -> "Before":
        """Now."""
        folder = folder.resolve()
        paths = [folder, *sorted(folder.rglob("*"))]
        return cls(
            folder,
            tuple(
                (str(path), path.stat().st_ino, None if path.is_dir() else path.read_bytes())
                for path in paths
            ),
        )


class Machine:
    """The files below a folder. Feed it the calls of a trace in order. `seed` decides what of a
    failed fsync's pages was lost: without one, all."""

    def __init__(self, before: Before, seed: int | None = None) -> None:
        self._folder = before.folder
        self._draw = None if seed is None else random.Random(seed)
        self._names: _Names = {}
        self._by_inode: dict[int, _File] = {}
        for path, inode, content in before.files:
            file = _File(content is None, bytearray(content or b""), bytearray(content or b""))
            self._names[path] = self._by_inode[inode] = file
        self._durable_names = dict(self._names)
        self._namings: list[_Naming] = []
        self.marks: list[bytes] = []

    def take(self, calls: Iterable[Call]) -> None:
        """The next calls."""
        for call in calls:
            if call.kind is Kind.MARK:
                self.marks.append(call.data)
            elif call.kind is Kind.SYNC:
                self._sync(call)
            elif call.is_done:
                self._change(call)

    def write_image(self, target: Path, survival: Survival, seed: int = 0) -> None:
        """Write into the folder `target` what the disk holds if the machine dies now."""
        for path, content in sorted(self.image(survival, seed).items()):
            place = target / path
            if content is None:
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)

    def image(self, survival: Survival, seed: int = 0) -> dict[str, bytes | None]:
        """Relative path to content (None: a folder) of what the disk holds if the machine dies."""
        draw = random.Random(seed) if survival is Survival.SOME else None
        names = dict(self._durable_names)
        number = len(self._namings)
        if survival is Survival.NOTHING:
            number = 0
        elif draw:
            number = draw.randint(0, number)
        for naming in self._namings[:number]:
            naming.apply(names)
        found: dict[str, bytes | None] = {}
        for path, file in sorted(names.items()):
            relative = Path(path).relative_to(self._folder)
            above = [parent for parent in Path(path).parents if parent.is_relative_to(self._folder)]
            if not all(str(parent) in names for parent in above):
                continue  # its folder's own name was not durable
            if file.is_folder:
                found[str(relative)] = None
            else:
                is_cached = survival is Survival.EVERYTHING
                found[str(relative)] = bytes(file.cached if is_cached else file.after(draw))
        return found

    def _sync(self, call: Call) -> None:
        file = self._by_inode.get(call.inode)
        if file is None:
            return
        if file.is_folder:
            if call.is_done:
                self._settle_names(call.path)
        elif call.is_done:
            file.settle()
        else:
            file.lose(self._draw)

    def _settle_names(self, folder: str) -> None:
        """A journal keeps order: what was named before in this folder is durable, and what other
        folders had before it may stay behind."""
        kept: list[_Naming] = []
        for naming in self._namings:
            if naming.folder == folder:
                naming.apply(self._durable_names)
            else:
                kept.append(naming)
        self._namings = kept

    def _change(self, call: Call) -> None:
        match call.kind:
            case Kind.WRITE:
                self._by_inode[call.inode].change(call.offset, call.data)
            case Kind.TRUNCATE:
                self._by_inode[call.inode].change(call.offset, None)
            case Kind.CREATE:
                file = self._by_inode[call.inode] = _File()
                self._name(None, call.path, file)
            case Kind.FOLDER:
                file = self._by_inode[call.inode] = _File(is_folder=True)
                self._name(None, call.path, file)
            case Kind.UNLINK:
                self._name(call.path, None, None)
            case Kind.RENAME:
                moved = self._names[call.path]
                assert not moved.is_folder, f"no rule for moving a folder: {call.path}"
                self._name(call.path, call.other, moved)
            case Kind.LINK:
                self._name(None, call.other, self._names[call.path])
            case _:
                pass

    def _name(self, path: str | None, other: str | None, file: _File | None) -> None:
        naming = _Naming(path, other, file)
        naming.apply(self._names)
        self._namings.append(naming)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    end = offset if data is None else offset + len(data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


def _pieces(waiting: Iterable[tuple[int, bytes | None]]) -> Iterable[tuple[int, bytes | None]]:
    for offset, data in waiting:
        if data is None:
            yield offset, None
            continue
        at = 0
        while at < len(data):
            end = at + PAGE_BYTES - (offset + at) % PAGE_BYTES
            yield offset + at, data[at:end]
            at = end
