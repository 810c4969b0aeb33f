"""Which segments of an archive follow each other.

Several gateways may write at once, and anybody who may write to an object store may put objects
there. So segments may overlap: what gateways wrote agrees and any way through it is good; what does
not hold is left out wherever something that holds lies at the same place.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from gateway.transparency.segments import SegmentPlace

IsSound = Callable[[SegmentPlace], bool]


def choose_chain(places: Iterable[SegmentPlace], is_sound: IsSound) -> list[SegmentPlace]:
    """Segments in order, each from where the one before ends or, after a gap, the first later one;
    of several ways the one that reaches furthest. `is_sound` is asked of overlapping ones alone."""
    kept = _without_plants(sorted(set(places)), is_sound)
    by_first: dict[int, list[SegmentPlace]] = {}
    for place in kept:
        by_first.setdefault(place.first, []).append(place)
    reach: dict[int, int] = {}
    for first in sorted(by_first, reverse=True):
        reach[first] = max(reach.get(place.stop, place.stop) for place in by_first[first])
    firsts, chain, at = sorted(by_first), list[SegmentPlace](), 0
    while (index := bisect_left(firsts, at)) < len(firsts):
        rivals = by_first[firsts[index]]
        chain.append(max(rivals, key=lambda place: (reach.get(place.stop, place.stop), place.last)))
        at = chain[-1].stop
    return chain


def _without_plants(ordered: Sequence[SegmentPlace], is_sound: IsSound) -> list[SegmentPlace]:
    contested = _find_contested(ordered)
    sound = {place for place in contested if is_sound(place)}
    spans = _join(sorted(sound))
    return [
        place
        for place in ordered
        if place not in contested or place in sound or not _is_within(place, spans)
    ]


def _find_contested(ordered: Sequence[SegmentPlace]) -> set[SegmentPlace]:
    """Those that overlap another."""
    found: set[SegmentPlace] = set()
    furthest: SegmentPlace | None = None
    for place in ordered:
        if furthest is not None and place.first < furthest.stop:
            found |= {place, furthest}
        if furthest is None or place.stop > furthest.stop:
            furthest = place
    return found


def _join(ordered: Sequence[SegmentPlace]) -> list[SegmentPlace]:
    """The spans that they cover, apart from each other."""
    spans: list[SegmentPlace] = []
    for place in ordered:
        if spans and place.first <= spans[-1].last:
            spans[-1] = SegmentPlace(spans[-1].first, max(spans[-1].last, place.last))
        else:
            spans.append(place)
    return spans


def _is_within(place: SegmentPlace, spans: Sequence[SegmentPlace]) -> bool:
    """Whether some span overlaps it."""
    index = bisect_left(spans, SegmentPlace(place.first, place.first))
    near = spans[max(index - 1, 0) : index + 1]
    return any(span.first <= place.last and place.first <= span.last for span in near)
