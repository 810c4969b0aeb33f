"""Which rows somebody asked for."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.reading.rows import Located, Row


@dataclass(frozen=True, slots=True)
class Selection:
    """What has to hold of a row; empty means anything. Times are microseconds, `until_us` is
    exclusive. `types` are globs (`change.*`), `actor` and `collector` a SPIFFE id, its end, or a
    glob of either; `control` the beginning of a control's id; `process` a glob of the names."""

    since_us: int = 0
    until_us: int = 0
    types: tuple[str, ...] = ()
    actor: str = ""
    collector: str = ""
    control: str = ""
    process: str = ""

    @property
    def asks_of_rows(self) -> bool:
        """Whether anything is asked of the rows beyond what is asked of their entry."""
        return bool(self.control or self.process)

    def covers(self, located: Located) -> bool:
        """Whether rows of this entry may be wanted: what can be said without flattening it."""
        entry = located.entry
        if entry is None:  # unreadable ones are shown, unless something else is asked for
            return self == Selection()
        if entry.time_us < self.since_us or (self.until_us and entry.time_us >= self.until_us):
            return False
        if self.types and not any(fnmatchcase(entry.type, glob) for glob in self.types):
            return False
        if self.actor and not _names(self.actor, entry.actor):
            return False
        return not self.collector or _is_of_collector(self.collector, entry.actor)

    def takes(self, row: Row) -> bool:
        """Whether this row of a covered entry is wanted."""
        if self.control and not any(_begins(control, self.control) for control in row.controls):
            return False
        if not self.process:
            return True
        wanted = self.process.casefold()
        return any(fnmatchcase(name.strip(), wanted) for name in row.process.casefold().split(","))


def _names(asked: str, uri: str) -> bool:
    return fnmatchcase(uri, asked) or fnmatchcase(uri.rpartition("/")[2], asked)


def _is_of_collector(asked: str, uri: str) -> bool:
    return uri.split("/")[3:4] == ["collector"] and _names(asked, uri)


def _begins(control: str, asked: str) -> bool:
    return control.casefold().startswith(asked.casefold())
