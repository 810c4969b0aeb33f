"""Columns are counted where their points pass, so a loss cannot hide in a difference."""

from collector.enforce.ledger import Ledger
from gateway.wire.ledger import ClassCounters

TIME = "2026-01-02T03:04:05.000006Z"


def filled() -> Ledger:
    ledger = Ledger("00" * 16)
    ledger.count_scraped(21)
    ledger.count_exported(6)
    ledger.count_withheld("dropped", 5)
    ledger.count_dropped("b", 5)
    ledger.count_withheld("sampled_out", 4)
    ledger.count_sampled_out("a", 4)
    ledger.count_rejected(3)
    ledger.set_waiting(2)
    ledger.count_lost("disk failed", 1)
    return ledger


def test_what_was_counted_balances() -> None:
    counters = filled().counters()
    assert counters.imbalance() == 0
    assert counters.lost == {"disk failed": 1}


def test_each_column_left_out_shows() -> None:
    ledger = filled()
    ledger.count_scraped(7)
    assert ledger.counters().imbalance() == 7


def test_waiting_is_a_level() -> None:
    ledger = filled()
    ledger.set_waiting(0)
    ledger.count_exported(2)
    assert ledger.counters().imbalance() == 0


def test_withheld_points_are_told_by_class() -> None:
    report = filled().next_report(TIME)
    assert report.by_class == (
        ("a", ClassCounters(sampled_out=4)),
        ("b", ClassCounters(dropped=5)),
    )


def test_a_report_keeps_its_number_and_content_until_acknowledged() -> None:
    ledger = filled()
    first = ledger.next_report(TIME)
    ledger.count_scraped(1)
    assert ledger.next_report("later") == first
    ledger.acknowledge(first)
    second = ledger.next_report(TIME)
    assert (first.report, second.report) == (1, 2)
    assert second.counters.scraped == 22
    ledger.acknowledge(first)  # a late duplicate
    assert ledger.next_report(TIME) == second
