"""The port to whatever measures processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from collector.model import ProcessSnapshot


@dataclass(frozen=True, slots=True)
class Scan:
    """One pass over a host. `missed` counts processes that gave nothing, by cause; they were never
    measured, so the ledger does not know them."""

    snapshots: tuple[ProcessSnapshot, ...]
    missed: Mapping[str, int]


class Source(Protocol):
    """Measures processes."""

    def scan(self) -> Scan:
        """Measure every process once; raises SourceError when none can be read at all."""
