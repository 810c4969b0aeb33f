"""What was leased is remembered within bounds, the oldest forgotten first."""

import asyncio
from collections.abc import Iterable

import pytest

from gateway.clock import ManualClock
from gateway.decisions.leased import LeaseReconciliation, RememberedLeases
from gateway.decisions.leases import LeasedVerdict
from gateway.decisions.service import DecisionService
from gateway.wire.ledger import ClassCounters, Counters, LedgerReport
from tests.fakes.decisions import COLLECTOR, FAR_US, NOW_US, SENDER, body, make_desk, proposal
from tests.fakes.leases import leased


def test_only_leases_that_let_withhold_are_remembered() -> None:
    leases = RememberedLeases()
    leases.remember(
        "c", [leased("d"), leased("s", "sample"), leased("k", "keep"), leased("z", ttl_seconds=0)]
    )
    assert [leases.is_leased("c", key) for key in "dskz"] == [True, True, False, False]
    assert not leases.is_leased("other", "d")


def test_the_oldest_of_a_collector_go_first() -> None:
    leases = RememberedLeases(per_collector=2)
    leases.remember("c", [leased("1"), leased("2")])
    leases.remember("c", [leased("1"), leased("3")])
    assert [leases.is_leased("c", key) for key in "123"] == [True, False, True]


def test_over_all_the_collector_answered_for_longest_ago_forgets() -> None:
    leases = RememberedLeases(in_all=2)
    leases.remember("a", [leased("1")])
    leases.remember("b", [leased("2")])
    leases.remember("a", [leased("3")])
    assert not leases.is_leased("b", "2")
    assert leases.is_leased("a", "1")
    leases.remember("b", [leased("4"), leased("5"), leased("6")])
    assert [leases.is_leased("b", key) for key in "456"] == [False, True, True]
    assert not leases.is_leased("a", "3")


def test_rows_of_reports_are_bounded() -> None:
    reconciliation = LeaseReconciliation(RememberedLeases(), ManualClock(), rows=3)
    for epoch in ("1", "2"):
        reconciliation.remember("c", report(epoch), True)
    assert reconciliation.find("c", report("2", 2), False)[0][0] == "unleased"
    assert reconciliation.find("c", report("1", 2), False) == []  # one to start from again


def report(epoch: str, dropped: int = 1) -> LedgerReport:
    counters = Counters(dropped, 0, 0, dropped, 0, 0, {})
    return LedgerReport(epoch, 1, "", counters, (("k", ClassCounters(dropped)),))


@pytest.mark.parametrize(("certificate_ends_us", "is_told"), [(FAR_US, True), (NOW_US, False)])
def test_the_service_tells_what_it_leased(certificate_ends_us: int, is_told: bool) -> None:
    async def run() -> None:
        desk = make_desk()
        told: dict[str, list[LeasedVerdict]] = {}

        def remember(subject: str, verdicts: Iterable[LeasedVerdict]) -> None:
            told[subject] = list(verdicts)

        service = DecisionService(
            lambda: desk.policy, desk.log, desk.clock, "spiffe://example.org/g", remember=remember
        )
        await service.decide(COLLECTOR, SENDER, certificate_ends_us, body(proposal("a")))
        assert list(told) == ([COLLECTOR] if is_told else [])
        assert all(verdict.settled.action == "drop" for verdict in told.get(COLLECTOR, []))

    asyncio.run(run())
