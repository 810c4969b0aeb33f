"""Classification, profile and overrides put together: what the collector would like to do."""

from dataclasses import dataclass
from typing import Protocol

from collector.classify import Classifier
from collector.model import ProcessSnapshot
from collector.profiles import Profile, propose
from gateway.wire.verdicts import Action

SCORER = "patterns/1"


@dataclass(frozen=True)
class Wish:
    """The proposal for a process and where it comes from; `score` from 0 to 1."""

    action: Action
    sample_rate: float | None = None
    score: float | None = None
    profile: str = ""
    scorer: str = SCORER
    why: str = ""
    class_name: str = ""
    forced_reason: str | None = None


class Assessor(Protocol):
    """Says what to wish for."""

    def assess(self, snapshot: ProcessSnapshot) -> Wish:
        """The wish for one process; never raises for what a process is."""


class PatternAssessor:
    """Wishes by patterns and a profile."""

    def __init__(self, classifier: Classifier, profile: Profile) -> None:
        self._classifier = classifier
        self._profile = profile

    def assess(self, snapshot: ProcessSnapshot) -> Wish:
        """The wish for one process."""
        classified = self._classifier.classify(snapshot.attributes)
        action, sample_rate = propose(self._profile, classified)
        return Wish(
            action=action,
            sample_rate=sample_rate,
            score=classified.score,
            profile=self._profile.name,
            why=classified.why,
            class_name=classified.class_name,
            forced_reason=(classified.reason or "forced") if classified.force_collect else None,
        )
