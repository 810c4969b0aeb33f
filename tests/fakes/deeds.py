"""Removals without a database: what is due and who matches is what a test says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.archive.errors import ArchiveError
from gateway.changes.deed_port import DueEntries, DueMonth, DuePlan, Month
from gateway.changes.deed_service import DeedService
from gateway.changes.deeds import Deeds, KeyHandover
from gateway.changes.journal import Records
from gateway.changes.key_handover import LogHandover
from gateway.transparency.notes import Signer
from tests.fakes.changes import Queue
from tests.fakes.log import ACTOR, ORIGIN

SPRING = Month("eu-west-1", "standard", "2026-03")
SUMMER = Month("eu-west-1", "standard", "2026-06")
ABROAD = Month("us-east-1", "pci", "2026-03")


def key_of(month: Month) -> str:
    """The id of a month's key in the log of tests."""
    return f"{ORIGIN}/{month.region}/{month.retention_class}/{month.month}"


def class_id(number: int) -> str:
    """One class id for each number."""
    return f"{number:048x}"


def vkey(name: str = ORIGIN) -> str:
    """The verifier key of a new key."""
    return Signer(name, Ed25519PrivateKey.generate()).vkey


@dataclass
class FakeRemovals:
    """`classes` by id: the month, and the attributes that its payload has. `opened` are all class
    ids that were opened, in order."""

    classes: dict[str, tuple[Month, dict[str, str]]] = field(default_factory=dict)
    months: list[Month] = field(default_factory=list)
    entries: list[DueEntries] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    damaged: str | None = None  # why the archive does not hold what it names

    def due(self, now_us: int) -> DuePlan:
        counts = dict.fromkeys(self.months, 0)
        for month, _ in self.classes.values():
            if month in counts:
                counts[month] += 1
        months = (DueMonth(key_of(month), month, count) for month, count in counts.items())
        return DuePlan(tuple(months), tuple(self.entries))

    def verify_archived(self, first: int, last: int) -> None:
        if self.damaged is not None:
            raise ArchiveError(self.damaged)

    def count_kept(self, first: int, last: int) -> int:
        return 3

    def openable(self) -> Sequence[str]:
        return sorted(self.classes)

    def match(self, class_ids: Sequence[str], attributes: Mapping[str, str]) -> Sequence[str]:
        self.opened += class_ids
        return [one for one in class_ids if attributes.items() <= self.classes[one][1].items()]

    def months_of(self, class_ids: Sequence[str]) -> Mapping[str, Month]:
        return {one: self.classes[one][0] for one in class_ids if one in self.classes}


class DeedQueue(Queue):
    """A queue with the service of deeds and one who does them. What a removal took away is gone
    from `removals` only when a test says so."""

    def __post_init__(self) -> None:
        self.removals = FakeRemovals(months=[SPRING, ABROAD])
        self.handover: KeyHandover = LogHandover(lambda vkey: False, ACTOR)
        super().__post_init__()

    def restart(self, journal: Any = None) -> None:
        super().restart(journal)
        records = Records(self.journal, self.log, self.store)
        self.deeds = DeedService(records, self.removals, self.clock)
        self.doer = Deeds(records, self.removals, self.handover, self.clock, ACTOR)

    async def act(self) -> None:
        """One tick of the doer."""
        await self.doer.act(await self.journal.refresh())
