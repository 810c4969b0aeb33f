"""Which retention class a payload belongs to: the framework that asks to keep it longest, by the
controls that its verdict names. Classes stand in the ids of month keys, so a month of one class
can be purged while another's stays."""

from collections.abc import Iterable

from gateway.wire.verdicts import Reason

TELEMETRY = "telemetry"  # nothing asks for it
REGULATED = "regulated"

# Longest first: SOX (17 CFR 210.2-06: seven years), HIPAA (45 CFR 164.316(b)(2): six years), PCI
# DSS (10.5.1: twelve months); the GDPR asks for no longer than needed (article 5(1)(e)).
_BY_STANDARD = (("SOX", "sox"), ("HIPAA", "hipaa"), ("PCI-DSS", "pci"), ("GDPR", "gdpr"))
_OWN = ("FLOOR", "BASELINE", "PROTECTION", "EXCEPTION", "LIVE")
_ORDER = ("sox", REGULATED, "hipaa", "pci", "gdpr", TELEMETRY)


def retention_class_of(reasons: Iterable[Reason]) -> str:
    """The class; `regulated` for controls of other standards than the four."""
    found = {_class_of(reason.control) for reason in reasons}
    return next((one for one in _ORDER if one in found), TELEMETRY)


def _class_of(control: str) -> str:
    standard = control.partition("/")[0].upper()
    for beginning, name in _BY_STANDARD:
        if standard.startswith(beginning) or standard == f"UK-{beginning}":
            return name
    return TELEMETRY if standard in _OWN or not standard else REGULATED
