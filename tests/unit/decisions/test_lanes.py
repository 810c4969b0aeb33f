import hashlib

from gateway.decisions.lanes import Lanes, Step, place_of
from gateway.wire.classes import Sender

BUNDLE = "ab" * 32
DEV = Sender("dev", "eu-west-1", "edge")
PRODUCTION = Sender("production", "eu-west-1", "edge")
ELSEWHERE = Sender("production", "us-east-1", "edge")
COLLECTORS = [f"spiffe://example.org/collector/dev/eu-west-1/edge-{n}" for n in range(2_000)]


def canaries(lanes: Lanes, sender: Sender = DEV) -> set[str]:
    return {uri for uri in COLLECTORS if lanes.lane_of(uri, sender) == "canary"}


def test_a_place_is_as_the_formats_say() -> None:
    uri = "spiffe://example.org/collector/dev/eu-west-1/edge-1"
    text = f"compliance-gateway/canary/v1\n{BUNDLE}\n{uri}".encode()
    assert place_of(BUNDLE, uri) == int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % 1000
    assert place_of(BUNDLE, uri) == 427


def test_a_share_is_about_that_share_of_the_collectors() -> None:
    found = canaries(Lanes(BUNDLE, (Step("*", "*", 200),)))
    assert 0.17 < len(found) / len(COLLECTORS) < 0.23


def test_a_greater_share_has_everybody_of_a_smaller_one() -> None:
    few = canaries(Lanes(BUNDLE, (Step("*", "*", 100),)))
    more = canaries(Lanes(BUNDLE, (Step("*", "*", 100), Step("*", "*", 400))))
    assert few < more
    assert canaries(Lanes(BUNDLE, (Step("*", "*", 1000),))) == set(COLLECTORS)


def test_a_later_step_elsewhere_takes_nobody_out() -> None:
    first = Step("dev", "*", 1000)
    lanes = Lanes(BUNDLE, (first, Step("production", "us-east-1", 1)))
    assert canaries(lanes) == set(COLLECTORS)
    assert lanes.share_permille(ELSEWHERE) == 1
    assert lanes.share_permille(PRODUCTION) == 0


def test_a_smaller_share_after_a_greater_one_counts_for_nothing() -> None:
    lanes = Lanes(BUNDLE, (Step("dev", "*", 1000), Step("*", "*", 200)))
    assert lanes.share_permille(DEV) == 1000
    assert lanes.share_permille(PRODUCTION) == 200


def test_a_step_covers_its_environment_and_region_alone() -> None:
    step = Step("production", "eu-west-1", 1000)
    assert step.covers("production", "eu-west-1")
    assert not step.covers("production", "us-east-1")
    assert not step.covers("dev", "eu-west-1")
    assert Step("*", "eu-west-1", 1).covers("dev", "eu-west-1")


def test_each_bundle_has_canaries_of_its_own() -> None:
    step = (Step("*", "*", 200),)
    assert canaries(Lanes(BUNDLE, step)) != canaries(Lanes("cd" * 32, step))
