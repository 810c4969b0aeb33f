"""One cycle over its ports: whatever fails, points are kept and it is said."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from collector.agent import Agent, CycleSummary
from collector.assessment import Wish
from collector.client.consultation import Consultation
from collector.client.gateway_client import GatewayClient
from collector.client.leases import LeaseStore
from collector.client.refusal import REFUSED_FILE
from collector.client.witness import CHECKPOINT_FILE, Witness
from collector.enforce.ledger import Ledger
from collector.errors import ExportError, SourceError
from collector.sources.port import Scan
from gateway.clock import ManualClock
from tests.fakes.gateway import SENDER, FakeGateway, permit, protect
from tests.fakes.processes import FakeAssessor, FakeSource, snapshot

WISHES = {"guarded": Wish("drop", score=0.2, profile="balanced")}


class MemoryExporter:
    """Keeps requests; refuses while `is_full`."""

    def __init__(self) -> None:
        self.requests: list[Mapping[str, Any]] = []
        self.is_full = False

    def export(self, request: Mapping[str, Any]) -> int:
        if self.is_full:
            raise ExportError("disk full")
        self.requests.append(request)
        return sum(
            len(metric["sum"]["dataPoints"])
            for resource in request["resourceMetrics"]
            for scope in resource["scopeMetrics"]
            for metric in scope["metrics"]
        )


class Bench:
    """An agent with everything around it."""

    def __init__(self, state: Path, *, observe: bool = False) -> None:
        self.clock = ManualClock()
        self.gateway = FakeGateway(self.clock)
        self.source = FakeSource([snapshot("noise", 1), snapshot("noise", 2), snapshot("db", 3)])
        self.exporter = MemoryExporter()
        self.heard: int | None = None
        client = GatewayClient("https://gateway.test", self.gateway.open_http, self.clock)
        witness = Witness(state, self.gateway.signer.verifier, client, self.clock)
        self.agent = Agent(
            source=self.source,
            assessor=FakeAssessor(WISHES),
            consultation=Consultation(client, LeaseStore(self.clock), witness, lambda: self.heard),
            exporter=self.exporter,
            ledger=Ledger("00" * 16),
            sender=SENDER,
            clock=self.clock,
            observe=observe,
        )

    def cycle(self) -> CycleSummary:
        self.clock.advance(15)
        return self.agent.run_cycle()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def fates(summary: CycleSummary) -> dict[str, str]:
    return {
        str(item.snapshot.attributes["process.executable.name"]): item.decision.outcome
        for item in summary.settled
    }


def test_the_first_sample_is_kept_and_the_second_dropped(bench: Bench) -> None:
    first, second = bench.cycle(), bench.cycle()
    assert fates(first) == {"noise": "kept", "db": "kept"}
    assert fates(second) == {"noise": "dropped", "db": "dropped"}
    assert second.counters.dropped == 9
    assert second.counters.imbalance() == 0


def test_one_question_serves_a_class_and_its_lease_the_next_cycles(bench: Bench) -> None:
    assert bench.cycle().asked == 2
    assert [proposal["ref"] for proposal in bench.gateway.asked[0]] == ["3:103", "1:101"]
    assert bench.cycle().asked == 0
    for _ in range(12):
        bench.cycle()
    assert bench.cycle().asked == 2  # a third of 300 s is left: renewed ahead of time
    assert len(bench.gateway.asked) == 2


def test_leases_end_with_the_activation_that_events_told_of(bench: Bench) -> None:
    bench.cycle()
    assert fates(bench.cycle()) == {"noise": "dropped", "db": "dropped"}
    bench.heard = bench.gateway.activation + 1
    summary = bench.cycle()  # the gateway that answers has not heard of it itself yet
    assert fates(summary) == {"noise": "kept", "db": "kept"}


def test_the_log_is_watched_in_cycles_that_ask_nothing(bench: Bench) -> None:
    bench.cycle()
    bench.gateway.leaves[-1] = b"\x00" * 32  # the ledger report that was acknowledged to us
    summary = bench.cycle()
    assert summary.asked == 0
    assert summary.evidence_failure is not None
    assert set(fates(summary).values()) == {"kept"}


def test_only_what_policies_read_leaves_the_host(bench: Bench) -> None:
    bench.source.snapshots = [snapshot("noise", 1, extra={"process.owner": "alice"})]
    bench.cycle()
    assert set(bench.gateway.asked[0][0]["process"]) == {
        "process.executable.name",
        "compliance.process.identity",
    }


def test_a_protected_process_is_kept_with_its_reasons(bench: Bench) -> None:
    bench.gateway.judge = lambda p: (
        protect(p) if p["process"]["process.executable.name"] == "db" else permit(p)
    )
    bench.cycle()
    summary = bench.cycle()
    assert fates(summary) == {"noise": "dropped", "db": "kept"}
    kept = next(item for item in summary.settled if item.decision.is_kept)
    assert kept.verdict is not None
    assert kept.verdict.reasons[0].control == "PCI-DSS-4.0.1/10.2.1"


def test_the_gateways_absence_is_said_once_per_outage(bench: Bench) -> None:
    bench.gateway.down = True
    with capture_logs() as logs:
        for _ in range(3):
            summary = bench.cycle()
            assert set(fates(summary).values()) == {"kept"}
            assert summary.outage is not None
            assert summary.counters.imbalance() == 0
        bench.gateway.down = False
        assert bench.cycle().outage is None
    assert [entry["log_level"] for entry in logs] == ["warning", "info"]


def test_a_live_lease_outlasts_an_outage_until_it_ends(bench: Bench) -> None:
    bench.cycle()
    bench.gateway.down = True
    assert fates(bench.cycle())["noise"] == "dropped"
    bench.clock.advance(300)
    assert fates(bench.cycle())["noise"] == "kept"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_ends_every_lease(bench: Bench, status: int) -> None:
    bench.cycle()
    bench.gateway.status = status
    assert set(fates(bench.cycle()).values()) == {"kept"}


def test_another_activation_ends_every_lease_at_once(bench: Bench) -> None:
    bench.cycle()
    bench.gateway.activation += 1
    bench.gateway.judge = protect
    summary = bench.cycle()
    assert summary.asked == 2
    assert set(fates(summary).values()) == {"kept"}


def test_evidence_that_does_not_hold_ends_all_dropping(bench: Bench) -> None:
    bench.cycle()
    bench.gateway.leaves[0] = b"\x00" * 32
    bench.clock.advance(200)
    summary = bench.cycle()
    assert summary.evidence_failure is not None
    assert set(fates(summary).values()) == {"kept"}
    assert set(fates(bench.cycle()).values()) == {"kept"}
    assert bench.gateway.reports  # and the gateway still hears of the books


def test_a_refusal_is_reported_until_the_gateway_has_it(bench: Bench, tmp_path: Path) -> None:
    bench.cycle()
    kept = (tmp_path / CHECKPOINT_FILE).read_text()
    bench.gateway.leaves[0] = b"\x00" * 32
    bench.clock.advance(200)
    bench.cycle()
    bench.gateway.down = True
    bench.cycle()
    bench.gateway.down = False
    bench.gateway.fork_status = 503
    bench.cycle()
    bench.gateway.fork_status = 200
    bench.cycle()
    bench.cycle()
    refused = (tmp_path / REFUSED_FILE).read_text()
    assert bench.gateway.fork_reports == [{"kept": kept, "refused": refused}] * 2


@pytest.mark.parametrize("status", [400, 409])
def test_a_report_that_proves_nothing_there_is_made_once(bench: Bench, status: int) -> None:
    bench.cycle()
    bench.gateway.leaves[0] = b"\x00" * 32
    bench.gateway.fork_status = status
    bench.clock.advance(200)
    for _ in range(4):
        bench.cycle()
    assert len(bench.gateway.fork_reports) == 1


def test_a_restarted_collector_keeps_everything_and_reports_again(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    first.cycle()
    first.gateway.leaves[0] = b"\x00" * 32
    first.clock.advance(200)
    first.cycle()
    restarted = Bench(tmp_path)  # before a log that shows nothing wrong
    restarted.cycle()
    summary = restarted.cycle()
    assert set(fates(summary).values()) == {"kept"}
    assert summary.evidence_failure is not None
    assert len(restarted.gateway.fork_reports) == 1
    assert len(restarted.gateway.reports) == 2  # the books go on and are acknowledged
    assert [report["report"] for report in restarted.gateway.reports] == [1, 2]


def test_an_answer_without_a_checkpoint_is_held_to_the_newest(bench: Bench) -> None:
    bench.gateway.sees_checkpoint = False
    bench.cycle()
    assert "/v1/checkpoint" in bench.gateway.paths
    assert fates(bench.cycle())["noise"] == "dropped"


def test_points_wait_while_the_disk_is_full(bench: Bench) -> None:
    bench.exporter.is_full = True
    summary = bench.cycle()
    assert summary.counters.waiting == 9
    assert summary.problems == ("disk full",)
    bench.exporter.is_full = False
    summary = bench.cycle()
    assert (summary.counters.waiting, summary.counters.exported) == (0, 9)
    assert summary.counters.imbalance() == 0


def test_scraping_pauses_before_what_waits_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.agent.MAX_WAITING_POINTS", 8)
    bench.exporter.is_full = True
    bench.cycle()
    summary = bench.cycle()
    assert summary.settled == ()
    assert "wait for export" in summary.problems[0]
    assert summary.counters.imbalance() == 0


def test_a_host_that_cannot_be_read_ends_nothing(bench: Bench) -> None:
    class Unreadable:
        def scan(self) -> Scan:
            raise SourceError("proc is not mounted")

    bench.agent._source = Unreadable()
    assert bench.cycle().problems == ("proc is not mounted",)


def test_reports_held_back_by_an_outage_follow_in_order(bench: Bench) -> None:
    bench.cycle()
    bench.gateway.down = True
    bench.cycle()
    bench.gateway.down = False
    last = bench.cycle()
    assert [report["report"] for report in bench.gateway.reports] == [1, 2]
    assert bench.gateway.reports[-1]["counters"]["scraped"] == last.counters.scraped


def test_observing_asks_and_drops_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, observe=True)
    bench.cycle()
    summary = bench.cycle()
    assert bench.gateway.asked
    assert set(fates(summary).values()) == {"kept"}
    assert {item.decision.cause for item in summary.settled} == {"observing"}


def test_attributes_without_a_class_are_kept(bench: Bench) -> None:
    bench.source.snapshots = [snapshot("bad\udcff", 1)]
    bench.cycle()
    summary = bench.cycle()
    assert summary.settled[0].class_key is None
    assert summary.settled[0].decision.outcome == "kept"


def test_explaining_decides_as_if_seen_before_and_counts_nothing(bench: Bench) -> None:
    settled, _ = bench.agent.settle(bench.source.snapshots, as_seen_before=True)
    assert {item.decision.outcome for item in settled} == {"dropped"}
    assert bench.exporter.requests == []
    assert settled[0].lease_seconds == 300


def test_a_long_profile_names_one_class_on_both_sides(bench: Bench) -> None:
    long = {"noise": Wish("drop", score=0.2, profile="p" * 65)}
    bench.agent._assessor = FakeAssessor(long)
    bench.source.snapshots = [snapshot("noise", 1)]
    bench.cycle()
    assert bench.gateway.asked[0][0]["profile"] == "p" * 64
    assert fates(bench.cycle()) == {"noise": "dropped"}  # its lease is of the class asked about
