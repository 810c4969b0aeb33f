"""Verdicts as they are leased, by class key."""

from typing import Literal

from gateway.decisions.leases import LeasedVerdict
from gateway.decisions.verdict import Settled


def leased(
    key: str,
    action: Literal["keep", "drop", "sample"] = "drop",
    ttl_seconds: int = 300,
    seq: int = 5,
) -> LeasedVerdict:
    """A verdict of a class at position 0 of the evaluation entry `seq`."""
    settled = Settled(action, 100, "permitted", (), (), ttl_seconds)
    return LeasedVerdict(settled, key, seq, 0)
