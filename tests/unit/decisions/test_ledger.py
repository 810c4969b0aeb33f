import asyncio
import json
from typing import Any

import pytest

from gateway.clock import ManualClock
from gateway.decisions.leased import MAX_LEASE_SECONDS, LeaseReconciliation, RememberedLeases
from gateway.decisions.ledger import LedgerHead, LedgerService, read_report
from gateway.errors import InputError, LogUnavailableError
from gateway.wire.ledger import LedgerAnswer
from tests.fakes.decisions import COLLECTOR, read_entry
from tests.fakes.leases import leased
from tests.fakes.log import MemoryLog

KEY, OTHER, THIRD = "c" * 64, "d" * 64, "e" * 64


class MemoryHeads:
    """Ledger heads in a dictionary."""

    def __init__(self) -> None:
        self.heads: dict[tuple[str, str], LedgerHead] = {}

    async def get(self, collector: str, boot_epoch: str) -> LedgerHead | None:
        return self.heads.get((collector, boot_epoch))

    async def put(self, collector: str, boot_epoch: str, head: LedgerHead) -> None:
        self.heads[collector, boot_epoch] = head


def report(
    number: int = 1, *, by_class: Any = ([KEY, {"dropped": 3}],), **counters: Any
) -> dict[str, Any]:
    """A report that balances unless told: 10 scraped, 7 exported, 3 dropped."""
    plain = {"scraped": 10, "exported": 7, "sampled_out": 0, "dropped": 3, "rejected": 0}
    return {
        "boot_epoch": "ab" * 16,
        "report": number,
        "sent_at": "2026-01-02T03:04:05.000006Z",
        "counters": {**plain, "waiting": 0, "lost": {}, **counters},
        "by_class": list(by_class),
    }


class Books:
    """A service with its log."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.heads = MemoryHeads()
        self.clock = ManualClock()
        self.restart()
        self.lease(KEY)

    def restart(self) -> None:
        """Another process over the same log: what was leased is forgotten."""
        self.leases = RememberedLeases()
        reconciliation = LeaseReconciliation(self.leases, self.clock)
        self.service = LedgerService(self.log, self.heads, reconciliation)

    def lease(self, *keys: str, collector: str = COLLECTOR, seq: int = 5) -> None:
        self.leases.remember(collector, [leased(key, seq=seq) for key in keys])

    def send(self, value: dict[str, Any], collector: str = COLLECTOR) -> LedgerAnswer:
        return asyncio.run(self.service.report(collector, json.dumps(value).encode()))


def test_a_balanced_report_is_one_entry() -> None:
    books = Books()
    answer = books.send(report())
    assert answer.balanced
    assert answer.mismatches == ()
    entry = read_entry(books.log, answer.index)
    assert entry["type"] == "ledger.report"
    assert entry["actor"] == COLLECTOR
    assert entry["body"]["counters"]["scraped"] == 10
    assert len(books.log.entries) == 2


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        (report(1), report(2, scraped=11), ["imbalance"]),
        (report(1), report(2, lost={"disk": 1}), ["imbalance"]),
        (report(1), report(3), ["gap"]),
        (report(1), report(1), []),  # sent again because its answer was lost
        (report(1), report(1, scraped=12, exported=9), ["gap"]),
        (report(1), report(0), ["gap"]),
        (report(1), report(2, scraped=9, exported=6), ["counter-fell"]),
        (report(1), report(2, by_class=[[KEY, {"dropped": 2}]]), ["class-sum"]),
        (report(1), report(2, scraped=12, sampled_out=2), ["class-sum"]),
        (report(1), report(2, waiting=4, exported=3), ["counter-fell"]),
        (report(1), report(5, scraped=8, by_class=[]), ["imbalance", "gap", "counter-fell"]),
    ],
)
def test_each_mismatch_is_an_entry_of_its_own(first: Any, second: Any, kinds: list[str]) -> None:
    books = Books()
    books.send(first)
    answer = books.send(second)
    if second["by_class"] == []:
        kinds = [*kinds, "class-sum"]
    assert list(answer.mismatches) == kinds
    assert answer.balanced == ("imbalance" not in kinds)
    assert [body["kind"] for body in books.log.bodies("ledger.mismatch")] == kinds


def test_a_first_report_that_is_not_the_first_is_a_gap() -> None:
    assert Books().send(report(7)).mismatches == ("gap",)


def test_waiting_may_fall_and_lost_counts() -> None:
    books = Books()
    assert books.send(report(1, waiting=5, exported=2)).mismatches == ()
    assert books.send(report(2, waiting=0, exported=6, lost={"crash": 1})).mismatches == ()


def test_lost_points_cannot_be_unlost() -> None:
    books = Books()
    books.send(report(1, exported=0, lost={"crash": 7}))
    unlost = books.send(report(2, exported=7, lost={"crash": 0}))
    assert unlost.mismatches == ("counter-fell",)
    gone = books.send(report(3, exported=7, lost={}))
    assert gone.mismatches == ()
    [told] = books.log.bodies("ledger.mismatch")
    assert "lost" in str(told["detail"])


def test_collectors_and_boot_epochs_are_counted_apart() -> None:
    books = Books()
    books.send(report(1))
    other = "spiffe://example.org/collector/p/r/other"
    books.lease(KEY, collector=other)
    assert books.send(report(1), other).mismatches == ()
    assert books.send({**report(1), "boot_epoch": "cd" * 16}).mismatches == ()
    assert books.send(report(2)).mismatches == ()


def test_an_old_report_does_not_move_the_head_back() -> None:
    books = Books()
    books.send(report(1))
    books.send(report(2))
    books.send(report(1))
    assert books.send(report(3)).mismatches == ()


def test_a_failed_append_moves_no_head() -> None:
    books = Books()
    books.log.failing = "disk full"
    with pytest.raises(LogUnavailableError):
        books.send(report(1))
    assert books.heads.heads == {}
    books.log.failing = None
    assert books.send(report(1)).mismatches == ()


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        report(-1),
        report(2**53),
        report(1, dropped=-1),
        report(1, scraped=2**63),
        report(1, scraped=1.5),
        report(1, scraped="10"),
        report(1, lost={"x": -1}),
        report(1, lost={"r" * 65: 1}),
        report(1, lost={str(i): 0 for i in range(101)}),
        report(1, by_class=[[KEY, {"dropped": -3}], [KEY, {"dropped": 6}]]),
        report(1, by_class=[[KEY, {"dropped": 2**64}]]),
        report(1, by_class=[["k", {}]] * 20_001),
        {**report(1), "boot_epoch": ""},
        {**report(1), "boot_epoch": "x" * 65},
        {**report(1), "sent_at": "x" * 41},
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_malformed_report_is_refused(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        read_report(json.dumps(value).encode())
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[" * 1_000_000, b'{"boot_epoch":"\xff"}', b'{"boot_epoch":"\\ud800"}']
)
def test_what_is_no_report_at_all_is_refused(raw: bytes) -> None:
    with pytest.raises(InputError):
        read_report(raw)


def test_the_largest_report_fits_into_entries() -> None:
    books = Books()
    # Control characters take six bytes each in canonical JSON.
    lost = {chr(1) * 61 + f"{i:03d}": 2**53 - 1 for i in range(100)}
    largest = {"dropped": 2**53 - 1, "sampled_out": 2**53 - 1}
    keys = [f"{i:064x}" for i in range(1_000)]
    books.lease(*keys, seq=2**53 - 1)
    answer = books.send(
        {**report(1, lost=lost, by_class=[[key, largest] for key in keys]), "sent_at": "\x01" * 40}
    )
    assert set(answer.mismatches) == {"imbalance", "class-sum"}
    told = books.log.bodies("ledger.report")[0]["by_class"]
    assert isinstance(told, list)
    assert len(told) == 200
    assert max(map(len, books.log.entries)) <= 65_535


def withheld(number: int, **points: int) -> dict[str, Any]:
    """A balanced report of points dropped by class key."""
    rows = [[key, {"dropped": count}] for key, count in points.items()]
    total = sum(points.values())
    return report(number, by_class=rows, scraped=total, exported=0, dropped=total)


def test_what_was_withheld_without_a_lease_is_told_while_it_grows() -> None:
    books = Books()
    assert books.send(withheld(1, **{KEY: 1, OTHER: 2, THIRD: 0})).mismatches == ("unleased",)
    assert books.send(withheld(2, **{KEY: 4, OTHER: 2, THIRD: 0})).mismatches == ()
    assert books.send(withheld(3, **{KEY: 4, OTHER: 3, THIRD: 1})).mismatches == ("unleased",)
    details = [body["detail"] for body in books.log.bodies("ledger.mismatch")]
    assert [str(detail).split()[0] for detail in details] == ["1", "2"]


def test_a_lease_of_another_collector_does_not_count() -> None:
    books = Books()
    books.lease(OTHER, collector="spiffe://example.org/collector/p/r/other")
    assert books.send(withheld(1, **{OTHER: 2})).mismatches == ("unleased",)


def test_points_sampled_out_need_a_lease_too() -> None:
    rows = [[OTHER, {"sampled_out": 3}]]
    answer = Books().send(report(1, by_class=rows, dropped=0, sampled_out=3))
    assert answer.mismatches == ("unleased",)


def test_after_a_restart_nothing_is_held_against_leases_that_were_forgotten() -> None:
    books = Books()
    books.send(withheld(1, **{KEY: 1}))
    books.restart()
    assert books.send(withheld(2, **{KEY: 2, OTHER: 1})).mismatches == ()  # where to start from
    assert books.send(withheld(3, **{KEY: 3, OTHER: 2})).mismatches == ()
    assert books.send(withheld(4, **{KEY: 3, THIRD: 2})).mismatches == ("unknown-lease",)
    books.clock.advance(MAX_LEASE_SECONDS)
    assert books.send(withheld(5, **{KEY: 4, THIRD: 2})).mismatches == ("unleased",)
    books.lease(KEY)
    assert books.send(withheld(6, **{KEY: 5, THIRD: 2})).mismatches == ()


def test_a_boot_epoch_that_began_after_the_restart_is_known_whole() -> None:
    books = Books()
    books.restart()
    assert books.send(withheld(1, **{OTHER: 1})).mismatches == ("unleased",)


def test_the_entry_tells_the_largest_classes_by_their_evaluations() -> None:
    books = Books()
    books.lease(KEY, seq=17)
    rows = {KEY: 3, OTHER: 9, **{f"{i:064x}": 1 for i in range(300)}}
    books.send(withheld(1, **rows))
    [body] = books.log.bodies("ledger.report")
    assert body["classes"] == 302
    told = body["by_class"]
    assert isinstance(told, list)
    assert len(told) == 200
    assert told[:2] == [[None, None, 9, 0], [17, 0, 3, 0]]
    assert KEY not in str(body)  # a key is a hash without salt
