"""The framework that asks to keep a payload longest names its class."""

import pytest

from gateway.decisions.retention_class import retention_class_of
from gateway.wire.verdicts import Reason


def reason(control: str) -> Reason:
    return Reason(control=control, rule="r", level="hard", message="m", remediation="")


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ((), "telemetry"),
        (("FLOOR",), "telemetry"),
        (("EXCEPTION/c17",), "telemetry"),
        (("PCI-DSS-4.0.1/10.2.1",), "pci"),
        (("GDPR/Art-32", "PCI-DSS-4.0.1/10.2.1"), "pci"),
        (("PCI-DSS-4.0.1/10.2.1", "HIPAA/164.312(b)"), "hipaa"),
        (("HIPAA/164.312(b)", "NYDFS-500/500.06"), "regulated"),
        (("NYDFS-500/500.06", "SOX/404"), "sox"),
        (("UK-GDPR/Art-5",), "gdpr"),
    ],
)
def test_the_longest_counts(controls: tuple[str, ...], expected: str) -> None:
    assert retention_class_of(map(reason, controls)) == expected
