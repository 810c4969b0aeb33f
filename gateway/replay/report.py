"""What a replay found."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway import canonical

MAX_SHOWN = 20
_MAX_REASONS = 20


class Outcome(StrEnum):
    """What became of one recorded verdict."""

    SAME = "SAME"
    DIFFERENT = "DIFFERENT"
    ERASED = "ERASED"  # the class was erased, lawfully
    PURGED = "PURGED"  # its month was
    ENGINE_MISSING = "ENGINE_MISSING"  # not with the engine that gave it
    BUNDLE_MISSING = "BUNDLE_MISSING"  # what it was given under is not kept


@dataclass(frozen=True, slots=True)
class Difference:
    """A recorded verdict that does not come out again. `replayed` is None where none came out."""

    seq: int
    position: int
    class_id: str
    reason: str
    recorded: Mapping[str, Any]
    replayed: Mapping[str, Any] | None

    def record(self) -> dict[str, canonical.Value]:
        """For JSON."""
        return {
            "seq": self.seq,
            "position": self.position,
            "class": self.class_id,
            "reason": self.reason,
            "recorded": dict(self.recorded),
            "replayed": None if self.replayed is None else dict(self.replayed),
        }


@dataclass(slots=True)
class ReplayReport:
    """Counts by outcome, the reasons for all but SAME, and the first differences in full.
    `other_engines` counts verdicts that another version of the engine gave and this one repeated;
    `absent_entries` are places of the range without an entry that nothing explains: `audit verify`
    judges those; `purged_entries` are those that the log says were purged."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[tuple[Outcome, str]] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    other_engines: Counter[str] = field(default_factory=Counter)
    absent_entries: int = 0
    purged_entries: int = 0

    def add(self, outcome: Outcome, reason: str = "", count: int = 1) -> None:
        """Count verdicts with this outcome."""
        self.counts[outcome] += count
        if reason and (len(self.reasons) < _MAX_REASONS or (outcome, reason) in self.reasons):
            self.reasons[outcome, reason] += count

    def differ(self, difference: Difference) -> None:
        """Count one that is different."""
        self.add(Outcome.DIFFERENT, difference.reason)
        if len(self.differences) < MAX_SHOWN:
            self.differences.append(difference)

    @property
    def checked(self) -> int:
        """Verdicts that were given again."""
        return self.counts[Outcome.SAME] + self.counts[Outcome.DIFFERENT]

    @property
    def exit_code(self) -> int:
        """1: something is different. 2: nothing could be checked. 0: what could be is the same."""
        if self.counts[Outcome.DIFFERENT]:
            return 1
        return 0 if self.checked else 2

    def record(self) -> dict[str, canonical.Value]:
        """For JSON."""
        reasons: list[canonical.Value] = [
            {"outcome": str(outcome), "reason": reason, "count": count}
            for (outcome, reason), count in sorted(self.reasons.items())
        ]
        return {
            "counts": {str(outcome): self.counts[outcome] for outcome in Outcome},
            "reasons": reasons,
            "different": [difference.record() for difference in self.differences],
            "other_engines": dict(sorted(self.other_engines.items())),
            "absent_entries": self.absent_entries,
            "purged_entries": self.purged_entries,
        }
