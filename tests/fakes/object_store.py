"""A versioned object store with Object Lock in memory, and what an attacker does to one."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.archive.errors import ArchiveError
from gateway.archive.port import Retention, Version

START_US = 1_800_000_000_000_000


@dataclass
class _Held:
    version: Version
    content: bytes
    kept: Retention | None


class MemoryStore:
    """An `ObjectStore`. `writes` lists what was written; `writes_left`: later writes fail;
    `attack_*` are what somebody with the right to write does."""

    place = "memory://archive/"
    keeps_dates = True

    def __init__(self) -> None:
        self.held: list[_Held] = []
        self.writes: list[str] = []
        self.writes_left: int | None = None
        self.takes_locks = True
        self.now_us = START_US

    def put_once(self, name: str, content: bytes, until_us: int) -> bool:
        if any(held.version.name == name and not held.version.is_marker for held in self.held):
            return False
        self.put_version(name, content, until_us)
        return True

    def put_version(self, name: str, content: bytes, until_us: int) -> None:
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise ArchiveError(f"{self.place}: writing {name} failed")
            self.writes_left -= 1
        self.writes.append(name)
        self._put(name, content, Retention(until_us, True) if self.takes_locks else None)

    def attack_over(self, name: str, content: bytes, locked_until_us: int | None = None) -> None:
        """Another version of an object."""
        kept = None if locked_until_us is None else Retention(locked_until_us, True)
        self._put(name, content, kept)

    def attack_marker(self, name: str) -> None:
        """A delete without a version id."""
        self.now_us += 1_000_000
        marker = Version(name, f"v{len(self.held)}", self.now_us, is_marker=True)
        self.held.append(_Held(marker, b"", None))

    def lose(self, name: str) -> None:
        """An object is gone with all its versions."""
        self.held = [held for held in self.held if held.version.name != name]

    def get(self, name: str, version_id: str = "") -> bytes:
        for held in reversed(self.held):
            if held.version.name == name and version_id in ("", held.version.id):
                if held.version.is_marker:
                    break
                return held.content
        raise ArchiveError(f"{self.place}: there is no {name}")

    def versions(self, prefix: str = "", start: str = "") -> Iterator[Version]:
        found = [held.version for held in reversed(self.held)]
        wanted = [item for item in found if item.name.startswith(prefix) and item.name >= start]
        return iter(sorted(wanted, key=lambda version: version.name))

    def retention(self, name: str, version_id: str = "") -> Retention | None:
        return self._find(name, version_id).kept

    def is_locked(self, name: str, version_id: str = "") -> bool:
        kept = self.retention(name, version_id)
        return kept is not None and kept.until_us > self.now_us

    def extend(self, name: str, version_id: str, until_us: int) -> None:
        self._find(name, version_id).kept = Retention(until_us, True)

    def _put(self, name: str, content: bytes, kept: Retention | None) -> None:
        self.now_us += 1_000_000
        version = Version(name, f"v{len(self.held)}", self.now_us, len(content), str(hash(content)))
        self.held.append(_Held(version, content, kept))

    def _find(self, name: str, version_id: str) -> _Held:
        return next(
            held
            for held in reversed(self.held)
            if held.version.name == name and version_id in ("", held.version.id)
        )
