import json
from typing import Any

import pytest

from gateway.clock import parse_time
from gateway.decisions.leases import SHARED_SECONDS, LeasedVerdict, LeaseTerms, encode_verdict
from gateway.decisions.verdict import Settled, fail_safe

NOW_US = 1_767_323_045_000_006
SECOND_US = 1_000_000
FAR = LeaseTerms(3, NOW_US + 10**15)


def verdict(ttl_seconds: int = 300) -> LeasedVerdict:
    return LeasedVerdict(Settled("drop", 0, "permitted", (), (), ttl_seconds), "k" * 64, 5, 0)


def lease_of(encoded: Any) -> Any:
    return json.loads(bytes(encoded))["lease"]


def test_a_lease_names_class_activation_and_ends_with_its_ttl() -> None:
    lease = lease_of(verdict().encoded(NOW_US, FAR))
    assert lease["class"] == "k" * 64
    assert lease["activation"] == 3
    assert lease["max_uses"] is None
    assert parse_time(lease["expires"]) == NOW_US + 300 * SECOND_US
    assert lease["ttl_seconds"] == 300 - SHARED_SECONDS


@pytest.mark.parametrize("ttl", [1, 2, 9, 10, 11, 49, 50, 300, 86_400])
@pytest.mark.parametrize("ends_in_us", [1, 999_999, SECOND_US, 17 * SECOND_US, 10**15])
@pytest.mark.parametrize("is_personal", [True, False])
def test_no_answer_lets_a_lease_outlive_ttl_or_terms(
    ttl: int, ends_in_us: int, is_personal: bool
) -> None:
    terms = LeaseTerms(3, NOW_US + ends_in_us, is_personal)
    leased = verdict(ttl)
    for step_us in (0, 1, 500_000, SECOND_US, 2 * SECOND_US, 4_999_999, 5 * SECOND_US, 10**8):
        now_us = NOW_US + step_us
        lease = lease_of(leased.encoded(now_us, terms))
        if lease is None:
            assert terms.ends_us - now_us < 2 * SECOND_US or ttl == 1
            continue
        expires_us = parse_time(lease["expires"])
        assert lease["ttl_seconds"] >= 1
        assert now_us + lease["ttl_seconds"] * SECOND_US <= expires_us
        assert expires_us <= min(terms.ends_us, now_us + ttl * SECOND_US)


def test_terms_that_are_over_give_no_lease() -> None:
    for ends_us in (NOW_US, NOW_US - 1, NOW_US - 3600 * SECOND_US, 0):
        assert lease_of(verdict().encoded(NOW_US, LeaseTerms(3, ends_us))) is None
        assert lease_of(verdict().encoded(NOW_US, LeaseTerms(3, ends_us, True))) is None


def test_an_encoding_is_shared_for_some_seconds_and_then_renewed() -> None:
    leased = verdict()
    first = leased.encoded(NOW_US, FAR)
    assert leased.encoded(NOW_US + SHARED_SECONDS * SECOND_US - 1, FAR) is first
    later = leased.encoded(NOW_US + SHARED_SECONDS * SECOND_US, FAR)
    assert lease_of(later)["expires"] > lease_of(first)["expires"]


@pytest.mark.parametrize("ttl", [11, 300])
@pytest.mark.parametrize("back_us", [1, SECOND_US, 3 * SECOND_US, 10**10])
def test_a_clock_that_stepped_back_shares_no_longer_lease(ttl: int, back_us: int) -> None:
    leased = verdict(ttl)
    leased.encoded(NOW_US, FAR)
    now_us = NOW_US - back_us
    expires_us = parse_time(lease_of(leased.encoded(now_us, FAR))["expires"])
    assert expires_us <= now_us + ttl * SECOND_US


def test_personal_terms_are_neither_taken_from_nor_given_to_others() -> None:
    leased = verdict()
    shared = leased.encoded(NOW_US, FAR)
    own = leased.encoded(NOW_US, LeaseTerms(3, NOW_US + 20 * SECOND_US, True))
    assert parse_time(lease_of(own)["expires"]) == NOW_US + 20 * SECOND_US
    assert leased.encoded(NOW_US, FAR) is shared


def test_a_fail_safe_verdict_is_encoded_without_a_lease() -> None:
    value = json.loads(bytes(encode_verdict(fail_safe("timeout", "kept"), None)))
    assert value["lease"] is None
    assert value["sample_rate"] == 1.0
    assert value["reasons"][0]["rule"] == "gateway.timeout"
