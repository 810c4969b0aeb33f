"""Times as people write them."""

from datetime import UTC, datetime

from gateway.errors import InputError


def parse_moment(text: str) -> int:
    """Microseconds of an ISO 8601 date or time; without a zone it is UTC. Raises InputError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text[:40]!r} is no time: write 2026-03-01 or 2026-03-01T10:30:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000 + moment.microsecond
