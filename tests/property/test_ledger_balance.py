"""P8: the books balance for any decisions, and a planted loss shows in them."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.agent import Agent, CycleSummary
from collector.assessment import Wish
from collector.client.consultation import Consultation
from collector.client.gateway_client import GatewayClient
from collector.client.leases import LeaseStore
from collector.client.witness import Witness
from collector.enforce.ledger import Ledger
from collector.errors import ExportError
from collector.export.json_lines import JsonLinesExporter, count_points
from gateway.clock import ManualClock
from gateway.decisions.ledger import LedgerHead, find_mismatches, read_report
from tests.fakes.gateway import SENDER, FakeGateway
from tests.fakes.processes import FakeAssessor, FakeSource, snapshot

WISHES = {
    "sampled": Wish("sample", sample_rate=0.3, score=0.4),
    "kept": Wish("keep", score=1.0),
}


class UnsteadyDisk:
    """An exporter whose disk is full now and then, and which may lose points unsaid."""

    def __init__(self, path: Path) -> None:
        self._exporter = JsonLinesExporter(path)
        self.is_full = False
        self.loses_resource = False

    def export(self, request: Mapping[str, Any]) -> int:
        if self.is_full:
            raise ExportError("disk full")
        if self.loses_resource:
            return self._exporter.export({"resourceMetrics": request["resourceMetrics"][1:]})
        return self._exporter.export(request)


def make_agent(
    folder: Path, source: FakeSource, ledger: Ledger
) -> tuple[Agent, UnsteadyDisk, FakeGateway]:
    clock = ManualClock()
    gateway = FakeGateway(clock)
    client = GatewayClient("https://gateway.test", gateway.open_http, clock)
    witness = Witness(folder, gateway.signer.verifier, client, clock)
    disk = UnsteadyDisk(folder / "points.jsonl")
    consultation = Consultation(client, LeaseStore(clock), witness)
    agent = Agent(source, FakeAssessor(WISHES), consultation, disk, ledger, SENDER, clock)
    return agent, disk, gateway


def processes_of(sizes: list[tuple[str, int]]) -> list[Any]:
    return [snapshot(name, pid, points) for pid, (name, points) in enumerate(sizes)]


SIZES = st.lists(
    st.tuples(st.sampled_from(["dropped", "sampled", "kept"]), st.integers(0, 9)), max_size=12
)
CYCLES = st.lists(st.tuples(SIZES, st.booleans(), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None, print_blob=True)
@given(CYCLES)
def test_the_books_balance(cycles: list[tuple[list[tuple[str, int]], bool, bool]]) -> None:
    with TemporaryDirectory() as name, mock.patch("os.fsync"):
        folder = Path(name)
        source = FakeSource()
        agent, disk, gateway = make_agent(folder, source, Ledger("00" * 16))
        summary: CycleSummary | None = None
        scraped = 0
        for sizes, is_full, is_down in cycles:
            source.snapshots = processes_of(sizes)
            disk.is_full, gateway.down = is_full, is_down
            scraped += sum(points for _, points in sizes)
            summary = agent.run_cycle()
            assert summary.counters.imbalance() == 0
        assert summary is not None
        assert summary.counters.scraped == scraped
        assert summary.counters.exported == count_in_file(folder / "points.jsonl")
        numbers = [report["report"] for report in gateway.reports]
        assert numbers == list(range(1, len(numbers) + 1))
        for report in gateway.reports:
            withheld = sum(row["dropped"] + row["sampled_out"] for _, row in report["by_class"])
            counters = report["counters"]
            assert withheld == counters["dropped"] + counters["sampled_out"]


@settings(max_examples=15, deadline=None, print_blob=True)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_a_loss_in_the_exporter_shows(sizes: list[int]) -> None:
    with TemporaryDirectory() as name, mock.patch("os.fsync"):
        source = FakeSource(processes_of([("kept", points) for points in sizes]))
        agent, disk, gateway = make_agent(Path(name), source, Ledger("00" * 16))
        disk.loses_resource = True
        assert agent.run_cycle().counters.imbalance() == sizes[0]
        assert gateway.reports[-1]["counters"]["exported"] == sum(sizes[1:])


COLUMNS = {
    "count_scraped": {"imbalance"},
    "count_exported": {"imbalance"},
    "set_waiting": {"imbalance"},
    "count_withheld": {"imbalance", "class-sum"},
    "count_dropped": {"class-sum"},
    "count_sampled_out": {"class-sum"},
}


@pytest.mark.parametrize("column", [None, *COLUMNS])
def test_a_loss_in_each_column_shows_at_the_gateway(column: str | None, tmp_path: Path) -> None:
    class ForgetfulLedger(Ledger):
        """Forgets what one column is told."""

    if column is not None:
        setattr(ForgetfulLedger, column, lambda *_: None)
    names = ["dropped", "kept", *["sampled"] * 40]  # some of the 40 are surely sampled out
    source = FakeSource(processes_of([(name, 2) for name in names]))
    agent, disk, gateway = make_agent(tmp_path, source, ForgetfulLedger("00" * 16))
    with mock.patch("os.fsync"):
        agent.run_cycle()
        disk.is_full = True
        agent.run_cycle()
    report = read_report(json.dumps(gateway.reports[-1]).encode())
    before = LedgerHead(report.report - 1, replace(report.counters, waiting=0))
    found = {kind for kind, _ in find_mismatches(before, report)}
    assert found == (COLUMNS[column] if column else set())


def count_in_file(path: Path) -> int:
    if not path.exists():
        return 0
    return sum(count_points(json.loads(line)) for line in path.read_text().splitlines())
