"""A period's recorded classes: equal ones added up, weights exact, what cannot be read counted."""

import asyncio
from collections.abc import Mapping, Sequence

from gateway.audit.lost import Lost
from gateway.clock import format_time
from gateway.decisions.windows import Schedule
from gateway.recorded.port import Weight
from gateway.recorded.reading import Reading, read_recorded
from tests.fakes.decisions import DAY_US, NOW_US
from tests.fakes.engine import FakeEngine
from tests.fakes.recorded import MemoryRecorded, bundle_of, memory_traffic, policy_of

FIRST = format_time(NOW_US)[:10]
LAST = format_time(NOW_US + 3 * DAY_US)[:10]


def no_schedule(_bundle: str) -> Schedule | None:
    return None


def lived() -> MemoryRecorded:
    """Two classes on two days: log-shipper 5 times, payment-1 3 times."""
    traffic, recorded = memory_traffic()
    policy = policy_of(bundle_of(), FakeEngine())

    async def main() -> None:
        await traffic.give(policy, {"log-shipper": 2, "payment-1": 1})
        await traffic.give(policy, {"log-shipper": 1, "payment-1": 1})
        traffic.clock.advance(86_400)
        await traffic.give(policy, {"log-shipper": 2, "payment-1": 1})

    asyncio.run(main())
    return recorded


def read(recorded: MemoryRecorded, first: str = FIRST, last: str = LAST) -> Reading:
    return read_recorded(recorded, recorded, first, last, no_schedule)


def weights(reading: Reading) -> Mapping[str, int]:
    return {
        dict(item.process_class.attributes)["process.executable.name"]: item.weight
        for item in reading.classes
    }


def ids(recorded: MemoryRecorded, name: str) -> list[str]:
    found = []
    for payload in recorded.log.payloads.values():
        if name.encode() in payload.plaintext:
            found.append(payload.class_id)
    return found


def test_equal_classes_of_several_days_are_one_with_all_their_weight() -> None:
    reading = read(lived())
    assert weights(reading) == {"log-shipper": 5, "payment-1": 3}
    assert reading.verdicts == 8
    assert reading.unreadable == {}
    [shipper] = [item for item in reading.classes if item.settled.action == "drop"]
    assert [span.times for span in shipper.spans] == [3, 2]
    assert shipper.last_day == format_time(NOW_US + DAY_US)[:10]


def test_only_the_days_asked_for_count() -> None:
    reading = read(lived(), last=FIRST)
    assert weights(reading) == {"log-shipper": 3, "payment-1": 2}


def test_a_span_ends_at_midnight_without_windows() -> None:
    reading = read(lived())
    for item in reading.classes:
        for span in item.spans:
            assert span.until_us % DAY_US == 0
            assert 0 < span.until_us - span.at_us <= DAY_US


def test_what_cannot_be_read_is_counted_by_why() -> None:
    recorded = lived()
    first, second = ids(recorded, "log-shipper")
    recorded.lost = {first: Lost.ERASED, second: Lost.PURGED}
    bent, whole = ids(recorded, "payment-1")
    recorded.bent = {bent: recorded.log.payloads[whole].plaintext}
    reading = read(recorded)
    assert reading.unreadable == {"erased": 3, "purged": 2, "malformed": 2}
    assert weights(reading) == {"payment-1": 1}


def test_citations_of_nothing_are_malformed_or_missing() -> None:
    recorded = lived()
    [entry] = list(recorded.scan(0, 2))

    class Lying(MemoryRecorded):
        def weights(self, first_day: str, last_day: str) -> Sequence[Weight]:
            return [
                Weight(FIRST, entry.seq, 99, 4),
                Weight(FIRST, entry.seq, -1, 2),
                Weight(FIRST, 10_000, 0, 7),
                Weight(FIRST, entry.seq, 0, 1),
            ]

    reading = read(Lying(recorded.log))
    assert reading.unreadable == {"malformed": 6, "missing": 7}
    assert reading.verdicts == 1
