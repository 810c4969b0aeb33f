"""Profiles: what a score proposes."""

from collector.profiles.profile import (
    AGGRESSIVE,
    BALANCED,
    CONSERVATIVE,
    DEFAULT_PROFILE,
    PROFILES,
    Profile,
    parse_profile,
    propose,
)

__all__ = [
    "AGGRESSIVE",
    "BALANCED",
    "CONSERVATIVE",
    "DEFAULT_PROFILE",
    "PROFILES",
    "Profile",
    "parse_profile",
    "propose",
]
