"""Segments: names, heads, and which of them follow each other."""

import random

import pytest

from gateway.transparency.errors import SegmentError
from gateway.transparency.segment_chain import choose_chain
from gateway.transparency.segments import (
    LogLabel,
    SegmentPlace,
    checkpoint_name,
    encode_segment,
    log_folder,
    parse_checkpoint_name,
    parse_label,
    parse_segment_name,
    read_segment,
    verify_segment,
)
from tests.fakes.sealed_log import GrowingLog


def test_names_say_places_and_nothing_else_does() -> None:
    place = SegmentPlace(0, 65_535)
    assert place.name == "segments/0000000000000000-0000000000065535.segment"
    assert parse_segment_name(place.name) == place
    assert parse_checkpoint_name(checkpoint_name(65_536)) == 65_536
    for name in (
        "segments/0-1.segment",
        place.name + "x",
        "x" + place.name,
        "segments/0000000000000002-0000000000000001.segment",
        "segments/000000000000000\u0660-0000000000000001.segment",
    ):
        assert parse_segment_name(name) is None
    assert parse_checkpoint_name("checkpoints/1") is None


@pytest.mark.parametrize(
    ("origin", "folder"),
    [
        ("example.org/log", "example.org=2Flog"),
        ("example.org/log~2", "example.org=2Flog~2"),
        ("a=2Fb", "a=3D2Fb"),
        ("..", "=2E."),
        ("é", "=C3=A9"),
    ],
)
def test_folders_tell_logs_apart(origin: str, folder: str) -> None:
    assert log_folder(origin) == folder


def test_a_label_has_one_spelling() -> None:
    label = LogLabel("example.org/log", "key", "eu-west-1")
    assert parse_label(label.encode()) == label
    for data in (b"{}", label.encode() + b" ", label.encode().replace(b'"v":1', b'"v":true')):
        with pytest.raises(SegmentError, match=r"log\.json"):
            parse_label(data)


def test_a_segment_holds_what_was_signed() -> None:
    log = GrowingLog().grow(3).seal().grow(4).seal()
    before, end, place = log.heads[4], log.heads[8], SegmentPlace(4, 7)
    data = encode_segment(log.origin, 4, before.edge, before.note, end.note, log.entries(4, 8))
    segment = read_segment(data, place)
    assert segment.entries == log.entries(4, 8)
    verify_segment(segment, place, log.keys())
    with pytest.raises(SegmentError, match="no known key"):
        verify_segment(segment, place, GrowingLog().keys())
    for cut in (len(data) - 1, len(data) - 300, 5, 0):
        torn = read_segment(data[:cut], place)
        assert torn.is_cut
        with pytest.raises(SegmentError):
            verify_segment(torn, place, log.keys())


def test_a_segment_of_another_place_does_not_hold() -> None:
    log = GrowingLog().grow(3).seal().grow(4).seal()
    before, end = log.heads[4], log.heads[8]
    data = encode_segment(log.origin, 4, before.edge, "", end.note, log.entries(4, 8))
    with pytest.raises(SegmentError, match="note before it"):
        verify_segment(read_segment(data, SegmentPlace(4, 7)), SegmentPlace(4, 7), log.keys())
    with pytest.raises(SegmentError, match="its head says"):
        verify_segment(read_segment(data, SegmentPlace(5, 8)), SegmentPlace(5, 8), log.keys())


def chain(*spans: tuple[int, int], unsound: tuple[tuple[int, int], ...] = ()) -> list[str]:
    bad = {SegmentPlace(*span) for span in unsound}
    chosen = choose_chain([SegmentPlace(*span) for span in spans], lambda place: place not in bad)
    return [f"{place.first}-{place.last}" for place in chosen]


def test_segments_follow_each_other() -> None:
    assert chain() == []
    assert chain((0, 3), (4, 9)) == ["0-3", "4-9"]
    assert chain((4, 9)) == ["4-9"]
    assert chain((0, 3), (6, 9)) == ["0-3", "6-9"]


def test_of_several_ways_the_one_that_reaches_furthest() -> None:
    assert chain((0, 3), (0, 5), (4, 9)) == ["0-3", "4-9"]
    assert chain((0, 3), (0, 5), (4, 9), (6, 12)) == ["0-5", "6-12"]


def test_what_does_not_hold_is_left_out_where_something_holds() -> None:
    assert chain((0, 3), (0, 99), (4, 9), unsound=((0, 99),)) == ["0-3", "4-9"]
    assert chain((0, 3), (2, 99), (4, 9), unsound=((2, 99),)) == ["0-3", "4-9"]
    assert chain((0, 3), (0, 5), (4, 99), (6, 12), unsound=((4, 99),)) == ["0-5", "6-12"]
    assert chain((0, 3), (4, 99), unsound=((4, 99),)) == ["0-3", "4-99"]


def test_whole_histories_are_found_among_plants() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    dice = random.Random(seed)
    for _ in range(200):
        ends = sorted(dice.sample(range(1, 60), dice.randrange(1, 12)))
        whole = list(zip([0, *ends], [end - 1 for end in ends], strict=False))
        plants = [(first, first + dice.randrange(80)) for first in dice.choices(range(60), k=6)]
        plants = [plant for plant in plants if plant not in whole and plant[0] < ends[-1]]
        spans = [*whole, *plants]
        dice.shuffle(spans)
        assert chain(*spans, unsound=tuple(plants)) == [f"{a}-{b}" for a, b in whole]
