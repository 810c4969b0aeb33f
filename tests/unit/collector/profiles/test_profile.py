"""Profiles are thresholds; what must be kept is kept under each."""

import pytest

from collector.classify import Classification
from collector.errors import ConfigError
from collector.profiles import AGGRESSIVE, BALANCED, CONSERVATIVE, Profile, parse_profile, propose


def scored(score: float, **more: object) -> Classification:
    return Classification("c", score, "class c", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("profile", "score", "proposal"),
    [
        (CONSERVATIVE, 0.0, ("drop", None)),
        (CONSERVATIVE, 0.149, ("drop", None)),
        (CONSERVATIVE, 0.15, ("keep", None)),
        (BALANCED, 0.299, ("drop", None)),
        (BALANCED, 0.3, ("sample", 0.5)),
        (BALANCED, 0.499, ("sample", 0.5)),
        (BALANCED, 0.5, ("keep", None)),
        (AGGRESSIVE, 0.499, ("drop", None)),
        (AGGRESSIVE, 0.5, ("sample", 0.25)),
        (AGGRESSIVE, 0.749, ("sample", 0.25)),
        (AGGRESSIVE, 0.75, ("keep", None)),
    ],
)
def test_the_score_decides_what_is_proposed(
    profile: Profile, score: float, proposal: tuple[str, float | None]
) -> None:
    assert propose(profile, scored(score)) == proposal


@pytest.mark.parametrize("profile", [CONSERVATIVE, BALANCED, AGGRESSIVE, Profile("x", 2, 2, 0.1)])
def test_what_must_be_kept_is_kept_under_every_profile(profile: Profile) -> None:
    assert propose(profile, scored(1.0)) == ("keep", None)
    assert propose(profile, scored(0.0, force_collect=True)) == ("keep", None)
    handled = scored(0.0, special_handling=frozenset({"no_sampling"}))
    assert propose(profile, handled) == ("keep", None)


def test_a_stricter_profile_never_keeps_less() -> None:
    share = {"keep": 1.0, "drop": 0.0}
    for permille in range(1001):
        kept = []
        for profile in (AGGRESSIVE, BALANCED, CONSERVATIVE):
            action, rate = propose(profile, scored(permille / 1000))
            kept.append(rate if rate is not None else share[action])
        assert kept == sorted(kept)


def test_profiles_are_named_and_conservative_is_the_default() -> None:
    assert parse_profile("balanced", "profile") is BALANCED
    assert parse_profile(None, "profile") is CONSERVATIVE
    for name in ("Balanced", "", 7, ["balanced"]):
        with pytest.raises(ConfigError, match="profile: no such profile"):
            parse_profile(name, "profile")
