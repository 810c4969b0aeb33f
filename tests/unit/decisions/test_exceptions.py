from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.clock import format_time
from gateway.decisions.evaluation import settle_class
from gateway.decisions.exceptions import NO_EXCEPTIONS, NONE_GRANTED, Exceptions, LiveException
from gateway.decisions.floor import Floor, parse_rows
from gateway.engine.port import RuleVerdict
from gateway.wire.classes import ProcessClass, project
from gateway.wire.patterns import parse_pattern
from gateway.wire.verdicts import Level, Reason
from tests.fakes.decisions import DECLARATION, NOW_US, SENDER

HOUR_US = 3_600_000_000


def granted(id: str = "c7", glob: str = "ledger-*", **more: Any) -> LiveException:
    expires_us = NOW_US + HOUR_US
    found = LiveException(
        id=id,
        rules=frozenset({"rules.sox"}),
        pattern=parse_pattern("glob", glob, "a test"),
        environment="",
        region="",
        reason="a migration",
        expires_us=expires_us,
        expires=format_time(expires_us),
    )
    return replace(found, **more)


def class_of(name: str, **more: str) -> ProcessClass:
    attributes = {"process.executable.name": name, **more}
    return project(DECLARATION, SENDER, attributes, "drop", None, 0.1)


def reason(level: Level = "soft", rule: str = "rules.sox", control: str = "SOX/404") -> Reason:
    return Reason(control, rule, level, "reports")


def protect(*reasons: Reason, obligations: Sequence[dict[str, Any]] = ()) -> RuleVerdict:
    return RuleVerdict("protect", "keep", 1000, reasons, tuple(obligations), 60)


LEDGER = class_of("ledger-1")


def lift(verdict: RuleVerdict, *live: LiveException, asked: ProcessClass = LEDGER) -> RuleVerdict:
    return Exceptions(live or (granted(),)).lift(asked, verdict)


def test_a_soft_rule_gives_way_and_the_reasons_say_so() -> None:
    verdict = protect(reason(), obligations=[{"type": "encrypt"}])
    found = lift(verdict)
    assert (found.decision, found.action, found.sample_permille) == ("permit", "drop", 0)
    assert found.obligations == ({"type": "encrypt"},)  # a duty is no protection from dropping
    assert found.ttl_seconds == 60
    first, second = found.reasons
    assert (first.control, first.level) == ("EXCEPTION/c7", "soft")
    assert "a migration" in first.message
    assert second == reason()


@pytest.mark.parametrize(
    "asked",
    [
        class_of("ledger-of-many-"),  # the kernel's fifteen bytes, and nothing tells the rest
        class_of("ledger-1", **{"compliance.process.identity_source": "truncated"}),
    ],
)
def test_a_cut_name_may_be_another_ones(asked: ProcessClass) -> None:
    assert lift(protect(reason()), asked=asked).decision == "protect"
    whole = class_of("ledger-of-many-", **{"process.executable.path": "/usr/bin/ledger-of-many-"})
    assert lift(protect(reason()), asked=whole).decision == "permit"


def test_a_control_may_be_named_instead_of_a_rule() -> None:
    by_control = granted(rules=frozenset({"SOX/404"}))
    assert lift(protect(reason()), by_control).decision == "permit"


@pytest.mark.parametrize(
    "verdict",
    [
        protect(reason("hard")),
        protect(reason(), reason("hard", "rules.pci")),
        protect(reason(), reason("soft", "rules.gdpr", "GDPR/5")),
        protect(),
        protect(reason("advisory")),
        protect(reason(), obligations=[{"type": "no_sampling"}]),
    ],
    ids=["hard", "soft and hard", "another soft one", "no reason", "advisory", "no sampling"],
)
def test_what_is_not_soft_and_named_alone_stays(verdict: RuleVerdict) -> None:
    assert lift(verdict) is verdict


def test_an_advisory_beside_it_changes_nothing() -> None:
    assert lift(protect(reason(), reason("advisory", "rules.cost"))).decision == "permit"


def test_two_rules_need_an_exception_each() -> None:
    verdict = protect(reason(), reason("soft", "rules.gdpr", "GDPR/5"))
    other = granted("c9", rules=frozenset({"rules.gdpr"}))
    found = lift(verdict, granted(), other)
    assert [one.control for one in found.reasons[:2]] == ["EXCEPTION/c7", "EXCEPTION/c9"]
    assert found.decision == "permit"


@pytest.mark.parametrize(
    "asked",
    [
        class_of("payroll"),
        class_of("ledger-1", **{"service.name": "patient-data"}),
        class_of(""),
    ],
    ids=["another name", "a second name that does not match", "no name"],
)
def test_every_name_must_match(asked: ProcessClass) -> None:
    verdict = protect(reason())
    assert lift(verdict, asked=asked) is verdict


@pytest.mark.parametrize(
    ("environment", "region", "decision"),
    [
        ("production", "eu-west-1", "permit"),
        ("production", "", "permit"),
        ("dev", "", "protect"),
        ("", "us-east-1", "protect"),
    ],
)
def test_it_holds_where_it_was_granted(environment: str, region: str, decision: str) -> None:
    live = granted(environment=environment, region=region)
    assert lift(protect(reason()), live).decision == decision


def test_a_permit_is_left_as_it_is() -> None:
    permit = RuleVerdict("permit", "drop", 0, (reason("advisory"),))
    assert lift(permit) is permit


def test_it_ends_on_time() -> None:
    exceptions = Exceptions((granted(), granted("c9", expires_us=NOW_US + 1)))
    assert exceptions.ends_us == NOW_US + 1
    assert [one.id for one in exceptions.live(NOW_US).granted] == ["c7", "c9"]
    assert [one.id for one in exceptions.live(NOW_US + 1).granted] == ["c7"]
    assert exceptions.live(NOW_US + HOUR_US) == NONE_GRANTED
    assert NONE_GRANTED.ends_us is None


def test_the_hash_names_the_live_ones_in_any_order() -> None:
    one, other = granted("c7"), granted("c9")
    assert Exceptions((one, other)).hash == Exceptions((other, one)).hash
    assert Exceptions((one,)).hash != Exceptions((other,)).hash
    assert NONE_GRANTED.hash == NO_EXCEPTIONS == "0" * 64
    # printf 'compliance-gateway/exceptions/v1\n["c7"]' | sha256sum
    known = "2542335dc581040617081d3fb7021581a8268c3656102a8debf7a7884d316d47"
    assert Exceptions((one,)).hash == known


def test_the_floor_knows_no_exception() -> None:
    rows = parse_rows([{"id": "sox-ledger", "glob": "ledger-*"}], "a test")
    settled, failure = settle_class(
        LEDGER, protect(reason()), Floor(None, rows), Exceptions((granted(),))
    )
    assert failure is None
    assert (settled.action, settled.sample_permille) == ("keep", 1000)
    assert all(not one.control.startswith("EXCEPTION/") for one in settled.reasons)
    silent, _ = settle_class(LEDGER, protect(reason()), Floor(None, ()), Exceptions((granted(),)))
    assert (silent.action, silent.effect) == ("drop", "permitted")
