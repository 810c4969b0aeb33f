"""Which version of an object counts: the oldest one that is locked. What was put beside it or over
it later, delete markers included, changes nothing and is named."""

from collections.abc import Callable, Iterable, Sequence

from gateway.archive.errors import ArchiveError
from gateway.archive.port import ObjectStore, Version
from gateway.clock import format_time
from gateway.transparency.archive_reader import ArchiveReader
from gateway.transparency.errors import SourceError


class Objects:
    """The objects of a store, each by the version that counts."""

    def __init__(self, store: ObjectStore, versions: Iterable[Version]) -> None:
        """`versions` as the store lists them. Raises ArchiveError."""
        self._store = store
        self.chosen: dict[str, Version] = {}
        self.findings: list[str] = []
        by_name: dict[str, list[Version]] = {}
        # Some servers list what stands at the edge of a page twice.
        for version in {(version.name, version.id): version for version in versions}.values():
            by_name.setdefault(version.name, []).append(version)
        for name, found in by_name.items():
            self._choose(name, found)

    def get(self, name: str) -> bytes:
        """The bytes that count."""
        version = self.chosen.get(name)
        if version is None:
            raise ArchiveError(f"{self._store.place}: there is no {name}")
        return self._store.get(name, version.id)

    def _choose(self, name: str, found: Sequence[Version]) -> None:
        markers = [version for version in found if version.is_marker]
        # Listed newest first: of equal times the later in the list is the older.
        bodies = [version for version in reversed(found) if not version.is_marker]
        bodies.sort(key=lambda version: version.written_us)
        for marker in markers:
            what = "hides it" if bodies else "is all that is left"
            self.findings.append(
                f"{name}: a delete marker of {format_time(marker.written_us)} "
                f"(version {marker.id}) {what}"
            )
        if not bodies:
            return
        chosen = bodies[0]
        if len(bodies) > 1:
            locked = (body for body in bodies if self._has_date(body))
            chosen = next(locked, bodies[0])
        self.chosen[name] = chosen
        for body in bodies:
            # The same bytes twice are two gateways that wrote at once.
            if body is not chosen and (not body.tag or body.tag != chosen.tag):
                self.findings.append(
                    f"{name}: another version of {format_time(body.written_us)} (version "
                    f"{body.id}, {body.size} bytes) is not the one of "
                    f"{format_time(chosen.written_us)} that counts"
                )

    def _has_date(self, version: Version) -> bool:
        # A date that has passed tells as well which one the archive wrote.
        kept = self._store.retention(version.name, version.id)
        return kept is not None and kept.is_compliance


class StoreReader:
    """A store's objects as an `ArchiveReader`."""

    def __init__(
        self, store: ObjectStore, reopen: Callable[[], ArchiveReader] | None = None
    ) -> None:
        """List the store; raises ArchiveError."""
        self._place = store.place
        self._objects = Objects(store, store.versions())
        self._reopen = reopen

    @property
    def place(self) -> str:
        """The store's place."""
        return self._place

    def names(self) -> Iterable[str]:
        """As ArchiveReader."""
        return self._objects.chosen.keys()

    def read(self, name: str) -> bytes:
        """As ArchiveReader."""
        try:
            return self._objects.get(name)
        except ArchiveError as error:
            raise SourceError(str(error)) from None

    def findings(self) -> Sequence[str]:
        """As ArchiveReader."""
        return self._objects.findings

    def reopener(self) -> Callable[[], ArchiveReader] | None:
        """As ArchiveReader."""
        return self._reopen
