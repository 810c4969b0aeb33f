"""What a truncated name could become, against every continuation tried; sets against singles."""

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.patterns import (
    Pattern,
    PatternSet,
    always_continues,
    could_match_continuation,
    is_anchored,
    parse_pattern,
)

ALPHABET = "ab-"
ATOMS = ["a", "b", "-", ".", "[ab]", "[^a]", r"\w", r"\b", r"\B", "$", r"\z", "(?i:A)", "^"]
SUFFIXES = ["".join(letters) for n in range(4) for letters in itertools.product(ALPHABET, repeat=n)]


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeats = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}?", "{2,}"])
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, repeats).map(lambda pair: f"({pair[0]}){pair[1]}"),
    )


BODIES = st.recursive(st.sampled_from(ATOMS), _extend, max_leaves=8)
REGEXES = st.tuples(st.sampled_from(["^", "", r"\A", "(?i)^", "(?s)^"]), BODIES).map("".join)
GLOBS = st.text(alphabet="ab-*?", min_size=1, max_size=8)
PATTERNS = st.one_of(
    REGEXES.map(lambda text: parse_pattern("regex", text, "regex")),
    GLOBS.map(lambda text: parse_pattern("glob", text, "glob")),
)
NAMES = st.text(alphabet=ALPHABET, max_size=6)


@settings(max_examples=400, deadline=None, print_blob=True)
@given(pattern=PATTERNS, truncated=NAMES)
def test_no_continuation_that_matches_is_ever_ruled_out(pattern: Pattern, truncated: str) -> None:
    matching = [pattern.matches(truncated + suffix) for suffix in SUFFIXES]
    if any(matching):
        assert could_match_continuation(pattern, truncated)
    if always_continues(pattern, truncated):
        assert all(matching)


@settings(max_examples=200, deadline=None, print_blob=True)
@given(pattern=PATTERNS, name=NAMES, before=st.text(alphabet=ALPHABET, min_size=1, max_size=3))
def test_an_anchored_pattern_never_depends_on_the_middle(
    pattern: Pattern, name: str, before: str
) -> None:
    """If anchored, adding text before the only matching part must not be found by a search there:
    the match of `before + name` must begin at its first letter."""
    if is_anchored(pattern) and pattern.matches(before + name):
        found: Any = pattern._compiled.search((before + name).encode())
        assert found.start() == 0


@settings(max_examples=200, deadline=None, print_blob=True)
@given(patterns=st.lists(PATTERNS, max_size=12), name=NAMES)
def test_a_set_answers_what_its_patterns_answer(patterns: list[Pattern], name: str) -> None:
    together = PatternSet(patterns)
    alone = tuple(at for at, pattern in enumerate(patterns) if pattern.matches(name))
    could = tuple(at for at, p in enumerate(patterns) if could_match_continuation(p, name))
    assert together.matches(name) == alone
    assert together.first(name) == next(iter(alone), None)
    assert together.matches_continuation(name) == could
