"""How much a verdict protects, and the exceptions that it was given under."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.clock import parse_time
from gateway.decisions.exceptions import Exceptions, LiveException
from gateway.decisions.verdict import Settled
from gateway.errors import InputError
from gateway.wire.patterns import parse_pattern

_GUARDS = {"hard": 2, "soft": 1}
_EXCEPTION = "EXCEPTION/"


def protection_rank(settled: Settled) -> tuple[int, int]:
    """The share kept in permille, then the strongest level that protects (2 hard, 1 soft, 0 none).
    The second tells apart a process that is kept because a rule says so from one that nobody
    happened to propose to drop."""
    guards = (
        _GUARDS.get(reason.level, 0)
        for reason in settled.reasons
        if not reason.control.startswith(_EXCEPTION)
    )
    lifted = any(reason.control.startswith(_EXCEPTION) for reason in settled.reasons)
    return settled.sample_permille, 0 if lifted else max(guards, default=0)


class _Row(msgspec.Struct):
    id: str
    rules: tuple[str, ...]
    pattern: dict[str, str]
    environment: str
    region: str
    reason: str
    expires: str


def live_exceptions(rows: Sequence[Mapping[str, Any]]) -> Exceptions:
    """Exceptions from rows as docs/formats.md section 11 has their subjects, each with its id;
    raises InputError."""
    granted = []
    for row in rows:
        try:
            found = msgspec.convert(dict(row), _Row)
            ((kind, text),) = found.pattern.items()
            pattern = parse_pattern(kind, text, f"exception {found.id}")
            expires_us = parse_time(found.expires)
        except (msgspec.ValidationError, ValueError) as error:
            raise InputError(f"a recorded exception cannot be read: {error}") from None
        granted.append(
            LiveException(
                id=found.id,
                rules=frozenset(found.rules),
                pattern=pattern,
                environment=found.environment,
                region=found.region,
                reason=found.reason,
                expires_us=expires_us,
                expires=found.expires,
            )
        )
    return Exceptions(tuple(granted))
