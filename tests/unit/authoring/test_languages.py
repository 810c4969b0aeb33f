"""Automata say of patterns exactly what RE2 says of names."""

import random
import sys

import pytest

from gateway.authoring.languages import (
    Language,
    is_covered,
    language_of,
    shared_name,
    shortest_bytes,
)
from gateway.wire.patterns import Pattern, parse_pattern


def pattern(text: str) -> Pattern:
    """`^…` and `re:…` are regexes, all else is a glob."""
    kind = "regex" if text.startswith(("^", "re:", "(")) else "glob"
    return parse_pattern(kind, text.removeprefix("re:"), "here")


def language(text: str) -> Language:
    found = language_of(pattern(text))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ("pay-*", ["pay-*"]),
        ("pay-in-*", ["pay-*"]),
        ("^pay-(in|out)", ["pay-*"]),
        ("^pay-(in|out)", ["^pay-in", "^pay-out"]),
        ("*?", ["?*"]),
        ("a*", ["ab*", "a[!b]*", "a"]),
        ("^a$", ["re:a"]),
        ("^x{2,3}$", ["^x+$"]),
        ("[a-c]", ["[a-b]", "c"]),
        ("^pay$", ["re:pay|tax"]),
        ("(?s:^a.$)", ["a?"]),
    ],
)
def test_covered(later: str, earlier: list[str]) -> None:
    assert is_covered(language(later), [language(text) for text in earlier])


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ("pay-*", ["pay-in-*"]),
        ("^pay-(in|out)", ["^pay-in"]),
        ("pay", ["pay-*"]),
        ("a*", ["ab*", "a[!b]*"]),
        ("re:a", ["^a"]),
        ("^x{2,4}$", ["^x{2,3}$"]),
        ("a?", ["^a.$"]),  # the dot of a regex is no newline
        ("^a", []),
    ],
)
def test_not_covered(later: str, earlier: list[str]) -> None:
    assert not is_covered(language(later), [language(text) for text in earlier])


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ("pay-*", "*-gateway", "pay-gateway"),
        ("^pay", "re:end$", "payend"),
        ("^pay", "^tax", None),
        ("^pay$", "pay-*", None),
        ("[a-m]", "[m-z]", "m"),
        ("*", "re:^$|^ab$", "ab"),
    ],
)
def test_shared_name(one: str, other: str, name: str | None) -> None:
    assert shared_name(language(one), language(other)) == name


def test_names_that_match_once_lower_cased() -> None:
    lowered = language_of(pattern("^pay-é"), is_lowered=True)
    assert lowered is not None
    assert shared_name(lowered, language("PAY-?")) == "PAY-é"
    upper = language_of(pattern("^Pay"), is_lowered=True)
    assert upper is not None
    assert shared_name(upper, upper) is None  # no lower-cased name begins with P


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("^customer-data-processor", 23),
        ("a?*é", 4),
        ("re:a^b", None),
        ("re:$^|^aa", 2),
        ("^(abc|d{2,3})?$", 2),
        ("*", 1),
    ],
)
def test_shortest_bytes(text: str, length: int | None) -> None:
    assert shortest_bytes(language(text)) == length


@pytest.mark.parametrize(
    "text", [r"^a\b", "(?i)^a", "(?m)^a$", "^[[:alpha:]]", "^(a{50}){19}(b{50}){19}"]
)
def test_what_is_not_built_is_none(text: str) -> None:
    assert language_of(parse_pattern("regex", text, "here")) is None


def test_a_question_that_is_too_large_is_answered_with_doubt() -> None:
    many = "(a|b)*a" + "(a|b)" * 12
    assert not is_covered(language(f"^{many}$"), [language(f"^{many}$|^x$"), language("^zz")])


def test_automata_agree_with_re2_on_random_names() -> None:
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    atoms = ["a", "b", ".", "[ab]", "[^a]", "(a|bc)", "a*", "b+", "(ab)?", "c{1,2}", r"\d", "-"]
    for _ in range(300):
        text = "".join(chance.choices(atoms, k=chance.randint(1, 4)))
        text = chance.choice(["^", ""]) + text + chance.choice(["$", ""])
        regex, built = parse_pattern("regex", text, "here"), language("re:" + text)
        for _ in range(20):
            name = "".join(chance.choices("abc1-", k=chance.randint(1, 5)))
            states = built.begin()
            for character in name:
                states = built.after(states, ord(character))
            assert built.is_match(states) == regex.matches(name), (text, name)


def test_covered_and_shared_agree_with_names_tried() -> None:
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    names = [a + b + c for a in "abc" for b in ("", *"abc") for c in ("", *"abc")]
    for _ in range(150):
        one, other = (
            pattern("".join(chance.choices(["a", "b", "*", "?", "[ab]", "[!a]"], k=3)))
            for _ in range(2)
        )
        built_one, built_other = language_of(one), language_of(other)
        assert built_one is not None
        assert built_other is not None
        if is_covered(built_one, [built_other]):
            assert all(other.matches(name) for name in names if one.matches(name)), (one, other)
        name = shared_name(built_one, built_other)
        if name is None:
            assert not any(one.matches(n) and other.matches(n) for n in names), (one, other)
        else:
            assert one.matches(name), (one, other, name)
            assert other.matches(name), (one, other, name)
