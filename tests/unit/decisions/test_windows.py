from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.decisions.windows import MAX_WINDOWS, Schedule, parse_windows
from gateway.errors import BundleError

ALL_DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def at(text: str) -> int:
    """Microseconds of a UTC time like 2026-03-08 07:00."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def schedule(start: str, end: str, zone: str = "UTC", days: Any = None) -> Schedule:
    row = {"name": "w", "zone": zone, "days": days or ALL_DAYS, "from": start, "to": end}
    return parse_windows([row])


def is_open(found: Schedule, text: str) -> bool:
    return found.active(at(text)) == ("w",)


def test_a_window_is_closed_at_its_end_and_open_at_its_start() -> None:
    found = schedule("09:00", "18:00", "America/New_York", ["wed"])
    assert not is_open(found, "2026-11-25 13:59:59")
    assert is_open(found, "2026-11-25 14:00")
    assert is_open(found, "2026-11-25 22:59:59")
    assert not is_open(found, "2026-11-25 23:00")
    assert not is_open(found, "2026-11-26 15:00")


def test_summer_time_moves_a_window_with_its_zone() -> None:
    found = schedule("09:00", "18:00", "America/New_York")
    assert is_open(found, "2026-07-01 13:00")
    assert not is_open(found, "2026-07-01 12:59")
    assert found.next_boundary_us(at("2026-07-01 13:00")) == at("2026-07-01 22:00")


def test_half_hour_zones() -> None:
    found = schedule("09:00", "10:00", "Asia/Kolkata")
    assert is_open(found, "2026-11-25 03:30")
    assert not is_open(found, "2026-11-25 03:29")
    assert not is_open(found, "2026-11-25 04:30")
    assert is_open(schedule("00:15", "00:30", "Asia/Kathmandu"), "2026-11-25 18:30")


def test_a_window_past_midnight_belongs_to_the_day_it_starts_on() -> None:
    found = schedule("22:00", "06:00", days=["fri"])
    assert is_open(found, "2026-11-27 22:00")
    assert is_open(found, "2026-11-28 05:59")
    assert not is_open(found, "2026-11-28 06:00")
    assert not is_open(found, "2026-11-27 05:00")


def test_equal_times_are_a_whole_day_and_24_00_is_its_end() -> None:
    for end in ("00:00", "24:00"):
        found = schedule("00:00", end, days=["wed"])
        assert is_open(found, "2026-11-25 00:00")
        assert is_open(found, "2026-11-25 23:59")
        assert not is_open(found, "2026-11-26 00:00")


def test_in_a_fold_a_window_holds_both_times() -> None:
    """01:30 comes twice in New York on 2026-11-01: 05:30 and 06:30 UTC."""
    opens = schedule("01:30", "04:00", "America/New_York", ["sun"])
    assert not is_open(opens, "2026-11-01 05:29")
    assert is_open(opens, "2026-11-01 05:30")
    assert is_open(opens, "2026-11-01 06:15")
    closes = schedule("00:30", "01:30", "America/New_York", ["sun"])
    assert is_open(closes, "2026-11-01 06:29")
    assert not is_open(closes, "2026-11-01 06:30")


def test_in_a_gap_a_window_is_no_shorter() -> None:
    """02:00 to 03:00 does not exist in New York on 2026-03-08: 07:00 UTC is 03:00 at once."""
    closes = schedule("01:00", "02:30", "America/New_York", ["sun"])
    assert is_open(closes, "2026-03-08 06:45")  # 01:45, before 02:30 by any reading
    assert not is_open(closes, "2026-03-08 07:30")
    opens = schedule("02:30", "05:00", "America/New_York", ["sun"])
    assert is_open(opens, "2026-03-08 07:00")  # 03:00, past 02:30 by any reading
    inside = schedule("02:10", "02:50", "America/New_York", ["sun"])
    assert is_open(inside, "2026-03-08 07:00")


def test_a_half_hour_fold() -> None:
    """Lord Howe Island turns back by half an hour: 01:45 on 2026-04-05 comes twice."""
    found = schedule("01:45", "03:00", "Australia/Lord_Howe", ["sun"])
    assert is_open(found, "2026-04-04 14:45")
    assert is_open(found, "2026-04-04 15:05")


@pytest.mark.parametrize(
    ("start", "end", "zone"),
    [
        ("09:00", "18:00", "America/New_York"),
        ("01:30", "01:45", "America/New_York"),
        ("02:10", "02:50", "America/New_York"),
        ("23:30", "00:30", "Asia/Kolkata"),
        ("01:40", "02:10", "Australia/Lord_Howe"),
        ("00:00", "24:00", "Pacific/Kiritimati"),
    ],
)
@pytest.mark.parametrize("day", ["2026-03-07", "2026-10-31", "2026-04-04", "2026-11-25"])
def test_between_two_boundaries_nothing_opens_or_closes(
    start: str, end: str, zone: str, day: str
) -> None:
    found = schedule(start, end, zone, ["sun", "wed"])
    now_us = at(f"{day} 00:00")
    for _ in range(6):
        boundary_us = found.next_boundary_us(now_us)
        assert boundary_us is not None
        assert boundary_us > now_us
        for part in range(7):
            moment = now_us + (boundary_us - 1 - now_us) * part // 6
            assert found.active(moment) == found.active(now_us)
            assert found.next_boundary_us(moment) == boundary_us
        now_us = boundary_us


def test_without_windows_there_is_no_boundary() -> None:
    assert parse_windows([]).next_boundary_us(0) is None
    assert parse_windows([]).active(0) == ()


def test_windows_of_one_name_are_one_name() -> None:
    row = {"name": "w", "zone": "UTC", "days": ALL_DAYS, "from": "01:00", "to": "03:00"}
    found = parse_windows([row, {**row, "from": "02:00"}, {**row, "name": "a"}])
    assert found.active(at("2026-11-25 02:30")) == ("a", "w")


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": 7},
        {"name": "n" * 65},
        {"zone": "Mars/Olympus"},
        {"zone": "../../etc/passwd"},
        {"zone": ""},
        {"days": []},
        {"days": ["monday"]},
        {"days": None},
        {"from": "25:00"},
        {"from": "24:00"},
        {"from": "09:00+05:00"},
        {"from": "0900"},
        {"from": 540},
        {"from": "09"},
        {"to": "18:00Z"},
        {"to": None},
        {"until": "18:00"},
    ],
)
def test_a_bad_window_is_refused_by_its_row(change: dict[str, Any]) -> None:
    good = {"name": "w", "zone": "UTC", "days": ["mon"], "from": "09:00", "to": "18:00"}
    with pytest.raises(BundleError, match="row 2"):
        parse_windows([good, {**good, **change}])


def test_windows_are_so_few_that_their_names_fit_into_an_entry() -> None:
    row = {"name": "n" * 64, "zone": "UTC", "days": ["mon"], "from": "09:00", "to": "18:00"}
    parse_windows([row] * MAX_WINDOWS)
    with pytest.raises(BundleError, match="at most"):
        parse_windows([row] * (MAX_WINDOWS + 1))


@pytest.mark.parametrize(
    "name", ["nacht\u00e9", "a\nb", "a\x00", "a\x7f", "a\u202eb", "\ud800", "\t"]
)
def test_a_name_holds_printable_ascii_only(name: str) -> None:
    row = {"name": name, "zone": "UTC", "days": ALL_DAYS, "from": "09:00", "to": "10:00"}
    with pytest.raises(BundleError, match="printable ASCII"):
        parse_windows([row])


def test_a_name_may_hold_all_of_printable_ascii() -> None:
    for name in ("business hours", '~!"\\/', "month-end_2"):
        row = {"name": name, "zone": "UTC", "days": ALL_DAYS, "from": "00:00", "to": "24:00"}
        assert parse_windows([row]).active(at("2026-11-25 03:00")) == (name,)
