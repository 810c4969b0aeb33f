"""Leases: how long a verdict may be acted on, and the encoded answers that carry them."""

from dataclasses import dataclass

import msgspec

from gateway.clock import format_time
from gateway.decisions.verdict import Settled
from gateway.wire.verdicts import KEEP_PERMILLE, Lease, Verdict

SHARED_SECONDS = 5  # an encoded answer serves this long before its lease is renewed
_SECOND_US = 1_000_000
_encode = msgspec.json.Encoder().encode


class LeasedVerdict:
    """A recorded verdict of one class, with its answer encoded for the next few seconds.

    The lease's `ttl_seconds` is short by the time the encoding is shared, so that a collector that
    is answered last still counts to no later than `expires`.
    """

    __slots__ = (
        "_encoded",
        "_encoded_us",
        "_fresh_until_us",
        "class_key",
        "position",
        "seq",
        "settled",
    )

    def __init__(self, settled: Settled, class_key: str, seq: int, position: int) -> None:
        self.settled = settled
        self.class_key = class_key
        self.seq = seq
        self.position = position
        self._encoded = msgspec.Raw(b"")
        self._encoded_us = 0
        self._fresh_until_us = 0

    def encoded(self, now_us: int, terms: "LeaseTerms") -> msgspec.Raw:
        """The verdict's JSON with a lease that ends within the terms."""
        if terms.is_personal:
            return self._encode(now_us, terms)[0]
        # A clock that stepped back makes an encoding old: its lease would end too late.
        if not self._encoded_us <= now_us < self._fresh_until_us:
            self._encoded, self._fresh_until_us = self._encode(now_us, terms)
            self._encoded_us = now_us
        return self._encoded

    def _encode(self, now_us: int, terms: "LeaseTerms") -> tuple[msgspec.Raw, int]:
        expires_us = min(now_us + self.settled.ttl_seconds * _SECOND_US, terms.ends_us)
        whole_seconds = (expires_us - now_us) // _SECOND_US
        shared = min(SHARED_SECONDS, whole_seconds // 10)
        ttl_seconds = whole_seconds - shared
        lease = None
        if ttl_seconds > 0:
            lease = Lease(self.class_key, terms.activation, ttl_seconds, format_time(expires_us))
        return encode_verdict(self.settled, lease), now_us + shared * _SECOND_US


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """What bounds every lease of a request: activation, and the earliest end of time window,
    bundle age and certificate in microseconds. Personal terms (a certificate that ends soon) are
    not shared with other subjects."""

    activation: int
    ends_us: int
    is_personal: bool = False


def encode_verdict(settled: Settled, lease: Lease | None) -> msgspec.Raw:
    """A verdict as it travels."""
    return msgspec.Raw(
        _encode(
            Verdict(
                action=settled.action,
                sample_rate=settled.sample_permille / KEEP_PERMILLE,
                effect=settled.effect,
                reasons=settled.reasons,
                obligations=tuple(dict(obligation) for obligation in settled.obligations),
                lease=lease,
            )
        )
    )
