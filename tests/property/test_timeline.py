"""A timeline says of every moment what the schedule says."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.decisions.windows import Schedule, parse_windows
from gateway.recorded.timeline import Timeline, open_pairs

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
# The week in which New York's clocks go back (2026-11-01), and a good while around it.
FIRST_US = 1_792_800_000_000_000
LAST_US = FIRST_US + 40 * DAY_US

hours = st.sampled_from(["00:00", "01:30", "02:00", "09:00", "18:00", "23:59"])
rows = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["trading", "night", "audit"]),
        "zone": st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
        "days": st.lists(
            st.sampled_from(["mon", "tue", "sat", "sun"]), min_size=1, max_size=3, unique=True
        ),
        "from": hours,
        "to": hours,
    }
)
schedules = st.lists(rows, max_size=4).map(parse_windows)
instants = st.integers(FIRST_US, LAST_US - 1)


@settings(max_examples=60, deadline=None)
@given(schedules, st.lists(instants, min_size=1, max_size=5))
def test_the_timeline_agrees_with_the_schedule(schedule: Schedule, moments: list[int]) -> None:
    timeline = Timeline(schedule, FIRST_US, LAST_US)
    for moment in moments:
        assert timeline.open_at(moment) == schedule.active(moment)
        end = timeline.epoch_end_us(moment)
        assert moment < end <= moment - moment % DAY_US + DAY_US
        # What was given at the moment could be given until then, under the same windows.
        for inside in {moment + (end - moment) * part // 8 for part in range(8)} | {end - 1}:
            assert schedule.active(inside) == schedule.active(moment)
        is_midnight = end % DAY_US == 0
        assert is_midnight or schedule.next_boundary_us(moment) is not None


@settings(max_examples=40, deadline=None)
@given(schedules, schedules, instants, st.integers(0, 3 * DAY_US))
def test_pairs_are_the_sets_open_together(
    one: Schedule, other: Schedule, at_us: int, length_us: int
) -> None:
    until_us = at_us + length_us
    timelines = (
        Timeline(one, FIRST_US, LAST_US + 4 * DAY_US),
        Timeline(other, FIRST_US, LAST_US + 4 * DAY_US),
    )
    found = open_pairs(*timelines, at_us, until_us)
    sampled = {
        (one.active(moment), other.active(moment))
        for moment in range(at_us, max(until_us, at_us + 1), HOUR_US // 2)
    }
    assert sampled <= set(found)
    assert (one.active(at_us), other.active(at_us)) in found


def test_the_zone_database_knows_the_change() -> None:
    """The week above is worth nothing unless the clocks do change in it."""
    zone = ZoneInfo("America/New_York")
    offsets = {
        datetime.fromtimestamp(moment // 1_000_000, UTC).astimezone(zone).utcoffset()
        for moment in (FIRST_US, LAST_US)
    }
    assert len(offsets) == 2
