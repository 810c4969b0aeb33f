"""Why a payload beside the log cannot be opened any more."""

from enum import StrEnum


class Lost(StrEnum):
    """Lawful ends of a payload, and two that are none."""

    ERASED = "erased"  # its own key was deleted, the month's stands
    PURGED = "purged"  # the month's key was deleted, with or without the payloads
    MISSING = "missing"  # it is not there, and neither of the two explains that
    DAMAGED = "damaged"  # it is there with its keys and does not open
