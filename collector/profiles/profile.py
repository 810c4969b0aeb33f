"""Profiles as thresholds on the score. A profile only proposes: the gateway decides.

| profile | proposes drop below | samples below | share kept of sampled series |
|---|---|---|---|
| conservative (default) | 0.15 | never | |
| balanced | 0.30 | 0.50 | 0.50 |
| aggressive | 0.50 | 0.75 | 0.25 |

At and above the last threshold a process is kept. A score of 1, a forced process and a class with
`no_sampling` are kept under every profile. An unclassified process scores 0.5, so only the
aggressive profile thins it out.
"""

from dataclasses import dataclass
from typing import Any

from collector.classify.classifier import Classification
from collector.errors import ConfigError
from gateway.wire.verdicts import Action

_NEVER_FILTER = 1.0


@dataclass(frozen=True, slots=True)
class Profile:
    """Scores below `drop_below` propose drop, then below `sample_below` a sample of `sample_rate`
    (the share of series kept, 0 to 1)."""

    name: str
    drop_below: float
    sample_below: float
    sample_rate: float


CONSERVATIVE = Profile("conservative", drop_below=0.15, sample_below=0.0, sample_rate=1.0)
BALANCED = Profile("balanced", drop_below=0.30, sample_below=0.50, sample_rate=0.50)
AGGRESSIVE = Profile("aggressive", drop_below=0.50, sample_below=0.75, sample_rate=0.25)
PROFILES = {profile.name: profile for profile in (CONSERVATIVE, BALANCED, AGGRESSIVE)}
DEFAULT_PROFILE = CONSERVATIVE


def parse_profile(name: Any, place: str) -> Profile:
    """The profile of this name; None is the default, conservative. Raises ConfigError."""
    if name is None:
        return DEFAULT_PROFILE
    profile = PROFILES.get(name) if isinstance(name, str) else None
    if profile is None:
        raise ConfigError(f"{place}: no such profile; write one of {', '.join(PROFILES)}")
    return profile


def propose(profile: Profile, classification: Classification) -> tuple[Action, float | None]:
    """The action to ask the gateway for, and with `sample` the share to keep."""
    is_kept = (
        classification.force_collect
        or classification.score >= _NEVER_FILTER
        or "no_sampling" in classification.special_handling
    )
    if is_kept:
        return "keep", None
    if classification.score < profile.drop_below:
        return "drop", None
    if classification.score < profile.sample_below:
        return "sample", profile.sample_rate
    return "keep", None
