"""Regexes search, globs match whole names, truncated names could be anything they begin."""

import pytest

from gateway.errors import ConfigError
from gateway.wire import expression_sets
from gateway.wire.expression_sets import ExpressionSet, literal_prefix
from gateway.wire.patterns import (
    Pattern,
    PatternSet,
    always_continues,
    could_match_continuation,
    is_anchored,
    matches_any_case,
    parse_pattern,
    parse_row,
)


def regex(text: str) -> Pattern:
    return parse_pattern("regex", text, "here")


def glob(text: str) -> Pattern:
    return parse_pattern("glob", text, "here")


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        (regex("etcd"), "my-etcd-check", True),
        (regex("^customer-data-processor"), "customer-data-processor-7", True),
        (regex("^customer-data-processor"), "old-customer-data-processor", False),
        (regex("^java$"), "java\n", False),
        (regex("^a.c$"), "a\udcffc", True),
        (glob("payment-gateway-*"), "payment-gateway-eu", True),
        (glob("payment-gateway-*"), "payment-gateway", False),
        (glob("payment-gateway-*"), "x-payment-gateway-eu", False),
        (glob("a.c"), "abc", False),
        (glob("a?c"), "aéc", True),
        (glob("a*c"), "a\nb\nc", True),
        (glob("v[0-9]"), "v7", True),
        (glob("v[!0-9]"), "v7", False),
        (glob("v[^0-9]"), "vx", True),
        (glob("v[]x]"), "v]", True),
        (glob("v[a-]"), "v-", True),
        (glob("v[.]"), "vx", False),
        (glob("a\\b+(c)"), "a\\b+(c)", True),
        (glob("{a,b}"), "a", False),
    ],
)
def test_regexes_search_and_globs_match_whole_names(
    pattern: Pattern, name: str, expected: bool
) -> None:
    assert pattern.matches(name) is expected
    assert (0 in PatternSet([pattern]).matches(name)) is expected


def test_names_match_as_they_are_and_lower_cased() -> None:
    assert matches_any_case(regex("^payment"), "Payment-Gateway")
    assert matches_any_case(regex("^Payment"), "Payment-Gateway")
    assert not matches_any_case(regex("^Payment"), "payment-gateway")
    assert PatternSet([regex("^payment")]).matches_any_case("PAYMENT") == (0,)
    assert PatternSet([regex("^payment")]).matches("PAYMENT") == ()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("regex", "(secret"),
        ("regex", "[z-a]"),
        ("regex", "secret(?=x)"),
        ("regex", r"(secret)\1"),
        ("regex", "a{1001}"),
        ("regex", ""),
        ("regex", None),
        ("regex", 7),
        ("regex", "x" * 2000),
        ("regex", "\udcff"),
        ("glob", "secret["),
        ("glob", "[]"),
        ("glob", "[z-a]"),
        ("exact", "secret"),
    ],
)
def test_bad_patterns_are_refused_without_quoting_them(
    kind: str, text: object, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"^f\.yaml:3: ") as caught:
        parse_pattern(kind, text, "f.yaml:3")
    assert "secret" not in str(caught.value)
    assert "secret" not in capfd.readouterr().err


def test_a_row_has_exactly_one_kind() -> None:
    assert parse_row({"glob": "a*", "reason": "x"}, "f") == glob("a*")
    for row in ({}, {"regex": "a", "glob": "a"}):
        with pytest.raises(ConfigError, match="exactly one of regex and glob"):
            parse_row(row, "f")


def test_a_set_names_every_match_and_the_first() -> None:
    many = PatternSet([regex(f"^svc-({n})$") for n in range(2500)] + [regex("^svc"), regex("21")])
    assert many.matches("svc-2100") == (2100, 2500, 2501)
    assert many.first("svc-2100") == 2100
    assert many.matches_continuation("svc-77") == (77, *range(770, 780), 2500, 2501)
    assert many.first("other") is None
    assert PatternSet([]).matches("x") == ()


def test_a_set_whose_automaton_runs_out_of_memory_still_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RE2 answers "no match" there, which would unprotect; the sentinel shows it."""
    monkeypatch.setattr(expression_sets, "MAX_MEMORY_BYTES", 4000)
    starved = ExpressionSet([f"^(a|b|c){{{n}}}x{n}" for n in range(1, 9)])
    assert starved.matches("abcx3") == (2,)


@pytest.mark.parametrize(
    ("text", "anchored"),
    [
        ("^a", True),
        (r"\Aa", True),
        ("(?:^a|^b)", True),
        ("^a|^b", True),
        ("(^a)+", True),
        ("(?i)^a", True),
        ("^[[:alpha:]]+", True),
        ("^", True),
        ("a", False),
        ("^a|b", False),
        ("(^a)?b", False),
        ("(?m)^a", False),
        ("^*a", False),
        ("^a|[[:alpha:]]", False),
        (".*", False),
        ("$", False),
    ],
)
def test_anchored_means_that_each_match_begins_the_name(text: str, anchored: bool) -> None:
    assert is_anchored(regex(text)) is anchored


def test_globs_are_anchored() -> None:
    assert is_anchored(glob("*x"))


@pytest.mark.parametrize(
    ("pattern", "truncated", "expected"),
    [
        (regex("^process-exporter$"), "process-exporte", True),
        (regex("^payment-gateway-"), "payment-gateway", True),
        (regex("^payment-gateway-"), "payment-gatewax", False),
        (regex("^payment-gateway-"), "PAYMENT-GATEWAY", True),
        (regex("^payment-gateway$"), "payment-gateway", True),
        (regex("^payment$"), "payment-gateway", False),
        (regex("^customer-data-(processor|importer)"), "customer-data-i", True),
        (regex("^customer-data-(processor|importer)"), "customer-data-x", False),
        (regex("^[a-z]{3,20}-phi"), "abcdefghijklmno", True),
        (regex("^[a-z]{3,10}-phi"), "abcdefghijklmno", False),
        (regex("^(ab)+c"), "abababababababa", True),
        (regex("^(ab)+c"), "abababbabababab", False),
        (regex("(?i)^Patient-Data-Service"), "patient-data-se", True),
        (regex(r"^patient\b-data-service"), "patient-data-se", True),
        (regex("service$"), "patient-data-se", True),
        (regex("^[[:alpha:]]+$"), "123456789012345", True),
        (glob("payment-gateway-*"), "payment-gateway", True),
        (glob("payment-gateway-*"), "payments-gatewa", False),
        (glob("*-phi"), "anything-at-all", True),
        (glob("log-shipper"), "log-shipper-lon", False),
        (regex("^abcdefghijklmn—o"), "abcdefghijklmn\ufffd", True),
        (regex("^abcdefghijklm—o"), "abcdefghijklm\udce2\udc80", True),
    ],
)
def test_a_truncated_name_could_be_what_it_begins(
    pattern: Pattern, truncated: str, expected: bool
) -> None:
    assert could_match_continuation(pattern, truncated) is expected
    assert (PatternSet([pattern]).matches_continuation(truncated) == (0,)) is expected


def test_positions_survive_patterns_that_could_always_match() -> None:
    mixed = PatternSet([regex("etcd"), regex("^b"), regex("^payment-gateway-"), glob("z*")])
    assert mixed.matches_continuation("payment-gateway") == (0, 2)


@pytest.mark.parametrize(
    ("pattern", "truncated", "expected"),
    [
        (regex("^log-shipper"), "log-shipper-lon", True),
        (regex("^log-shipper-lon$"), "log-shipper-lon", False),
        (regex(r"^log-shipper\b"), "log-shipper", False),
        (regex("^(a|b$)"), "b", False),
        (regex("^other"), "log-shipper-lon", False),
        (glob("log-*"), "log-shipper-lon", True),
        (glob("log-*n"), "log-shipper-lon", False),
        (glob("log-shipper-lo[*]"), "log-shipper-lo*", False),
    ],
)
def test_every_continuation_matches_only_where_nothing_looks_at_the_end(
    pattern: Pattern, truncated: str, expected: bool
) -> None:
    assert always_continues(pattern, truncated) is expected


class _SilentSet:
    """An RE2 set whose automaton ran out of memory in the middle: it answers nothing."""

    def Match(self, text: bytes) -> None:
        return None


def test_a_set_that_falls_silent_is_asked_again_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patterns = ExpressionSet(["^payment", "^log"])
    monkeypatch.setattr(patterns._chunks[0], "_set", _SilentSet())
    assert patterns.matches("log-shipper") == (1,)


@pytest.mark.parametrize(
    ("kind", "text", "prefix"),
    [
        ("regex", "^payment-gateway-", "payment-gateway-"),
        ("regex", "^payments?-x", "payment"),
        ("regex", "^payment{2}", "paymen"),
        ("regex", "^a*b", ""),
        ("regex", "^a|b", ""),
        ("regex", "^ab.c", "ab"),
        ("regex", "^ab(?i)c", "ab"),
        ("regex", "^ab(c|d)", ""),
        ("regex", "payment", ""),
        ("regex", "(?i)^payment", ""),
        ("regex", r"^\d", ""),
        ("glob", "payment-*", "payment-"),
        ("glob", "[ab]c", ""),
        ("glob", "*", ""),
        ("glob", "exact.name", "exact.name"),
    ],
)
def test_only_a_certain_beginning_is_indexed(kind: str, text: str, prefix: str) -> None:
    assert literal_prefix(kind, text) == prefix
