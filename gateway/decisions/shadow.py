"""What a candidate would have answered, beside what was answered: the measurements of a rollout's
gates, for one process and since its current step began."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from gateway.decisions.verdict import Settled
from gateway.wire.classes import ProcessClass

MAX_LOSSES = 1_000
_LAST_TIMES = 1_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """One class under both. `candidate` is None where the candidate gave no usable answer."""

    process_class: ProcessClass
    active: Settled
    candidate: Settled | None

    @property
    def is_loss(self) -> bool:
        """Whether a hard rule or the floor protects now and the candidate protects less."""
        return (
            self.candidate is not None
            and self.candidate.sample_permille < self.active.sample_permille
            and any(reason.level == "hard" for reason in self.active.reasons)
        )


@dataclass(slots=True)
class ShadowMeter:
    """Counts per environment and region. One for each step of a rollout."""

    evaluated: dict[tuple[str, str], int] = field(default_factory=dict)
    failures: dict[tuple[str, str], int] = field(default_factory=dict)
    more: int = 0
    less: int = 0
    losses: dict[ProcessClass, Settled] = field(default_factory=dict)
    active_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_LAST_TIMES))
    candidate_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_LAST_TIMES))

    def observe(self, comparisons: list[Comparison]) -> None:
        """Count classes that both were asked about."""
        for one in comparisons:
            sender = one.process_class.sender
            place = (sender.environment, sender.region)
            self.evaluated[place] = self.evaluated.get(place, 0) + 1
            if one.candidate is None:
                self.failures[place] = self.failures.get(place, 0) + 1
                continue
            self.more += one.candidate.sample_permille > one.active.sample_permille
            self.less += one.candidate.sample_permille < one.active.sample_permille
            if one.is_loss and len(self.losses) < MAX_LOSSES:
                self.losses[one.process_class] = one.active

    def time(self, active_seconds: float, candidate_seconds: float) -> None:
        """Note how long each took for the same question."""
        self.active_seconds.append(active_seconds)
        self.candidate_seconds.append(candidate_seconds)

    def latency_ratio_permille(self) -> int:
        """The candidate's median time over the active one's; 1000 while nothing was timed."""
        if not self.active_seconds:
            return 1000
        active = max(median(self.active_seconds), 1e-4)
        return round(1000 * median(self.candidate_seconds) / active)

    def count(self, environment: str, region: str) -> tuple[int, int]:
        """Classes evaluated and failed where this step is (`*`: anywhere)."""
        return (
            sum(self._of(self.evaluated, environment, region)),
            sum(self._of(self.failures, environment, region)),
        )

    @staticmethod
    def _of(counts: dict[tuple[str, str], int], environment: str, region: str) -> Iterator[int]:
        for (found_environment, found_region), number in counts.items():
            if environment in ("*", found_environment) and region in ("*", found_region):
                yield number
