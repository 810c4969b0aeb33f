"""What an impact says, as values. Its record holds whole numbers and text alone, so that the same
impact is the same bytes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from gateway import canonical

Move = Literal["more", "less", "same"]


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts, as weights, and classes that become more or less protected or stay."""

    more: int = 0
    less: int = 0
    same: int = 0
    classes_more: int = 0
    classes_less: int = 0
    classes_same: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """A process that would lose protection. `before` and `after` are what would become of its
    points; `verdicts` and `classes` how much of the recorded traffic that is."""

    name: str
    process: str
    environment: str
    region: str
    control: str
    before: str
    after: str
    verdicts: int
    classes: int


@dataclass(frozen=True, slots=True)
class Unseen:
    """A protected service that is expected and was not seen. `last_day` is the last day on which it
    was, empty when a row expects it and nobody knows."""

    row: str
    control: str
    last_day: str


@dataclass(frozen=True, slots=True)
class Impact:
    """What a candidate does to recorded traffic.

    `moves` and the tables compare what was recorded with the candidate; `changed_now` compares
    what is in force now with it. `losses` are what the candidate gives up of what is in force now,
    sorted by name: an approval lists them. `given_up` was recorded with more protection, and what
    is in force now gives it less already. `by_process` holds the labels that change. Shares kept
    are in millionths of the verdicts, engine times in nanoseconds a class; `failures` are classes
    for which the candidate's policies gave no usable answer, by code: they are kept.
    """

    verdicts: int
    classes: int
    moves: Tally
    changed_now: Tally
    by_framework: Mapping[str, Tally]
    by_environment: Mapping[str, Tally]
    by_region: Mapping[str, Tally]
    by_process: Mapping[str, Tally]
    obligations_changed: int
    obligations_classes: int
    kept_recorded_ppm: int
    kept_active_ppm: int
    kept_candidate_ppm: int
    active_ns: int
    candidate_ns: int
    losses: tuple[Loss, ...] = ()
    given_up: tuple[Loss, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    unrecorded_attributes: tuple[str, ...] = ()

    @property
    def losses_hash(self) -> str:
        """What an approval names: SHA-256 over all names (docs/formats.md section 11)."""
        return losses_hash([loss.name for loss in self.losses])

    def record(self) -> dict[str, canonical.Value]:
        """The whole of it for JSON and for hashing."""
        value: dict[str, canonical.Value] = asdict(self)
        value["losses_hash"] = self.losses_hash
        # Kept out of the tuple's fields: canonical form knows lists alone.
        for name in ("losses", "given_up", "unrecorded_attributes"):
            items: Sequence[canonical.Value] = value[name]  # type: ignore[assignment]
            value[name] = list(items)
        return value


def losses_hash(names: Sequence[str]) -> str:
    """hex(SHA-256(canonical(names, sorted)))."""
    return hashlib.sha256(canonical.encode([*sorted(names)])).hexdigest()
