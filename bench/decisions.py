"""Verdicts per second: the gateway over mTLS with its durable log, beside the real OPA server asked
its best way (one array per call), same rules, same proposals, same machine, same run.

    python -m bench.decisions [--short] [--seed N] [--rounds N]
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from bench.load import Job, write_job
from bench.workload import Fleet, Workload, opa_bodies
from gateway.bundles.folder import read_bundle
from gateway.clock import SystemClock
from gateway.demo.services import running_gateway
from gateway.demo.workplace import (
    COLLECTOR,
    Workplace,
    build_policies,
    find_opa,
    make_workplace,
    source_root,
)

ROOT = source_root()
OUT = ROOT / "bench" / "out" / "decisions.json"
FROZEN = ROOT / "bench" / "policies_frozen"
BATCH = 500


@dataclass(frozen=True, slots=True)
class Row:
    """One measured way of asking; medians over the rounds."""

    name: str
    batch: int
    connections: int
    verdicts_per_second: float
    p50_ms: float
    p99_ms: float


class Bench:
    """Holds the folder, the fleet and what was measured."""

    def __init__(self, folder: Path, seed: int, rounds: int, console: Console) -> None:
        self.folder = folder
        self.fleet = Fleet(seed, classes=3000)
        self.rounds = rounds
        self.console = console
        self.rows: list[Row] = []

    def measure(self, name: str, target: Job, workloads: Sequence[Workload], check: str) -> Row:
        """Run one workload per round; the row's numbers are medians of the rounds."""
        self.console.print(f"  {name} ...")
        runs = [self._run(target, workload, check) for workload in workloads]
        times = [seconds for run in runs for seconds in run["request_seconds"]]
        times.sort()
        rates = [
            len(workload.bodies) * workload.batch / run["elapsed_seconds"]
            for workload, run in zip(workloads, runs, strict=True)
        ]
        row = Row(
            name=name,
            batch=workloads[0].batch,
            connections=target.connections,
            verdicts_per_second=statistics.median(rates),
            p50_ms=times[len(times) // 2] * 1000,
            p99_ms=times[min(len(times) - 1, int(len(times) * 0.99))] * 1000,
        )
        self.rows.append(row)
        return row

    def _run(self, target: Job, workload: Workload, check: str) -> dict[str, Any]:
        bodies = self.folder / "bodies.json"
        bodies.write_text(json.dumps([body.decode() for body in workload.bodies]))
        job = self.folder / "job.json"
        results = self.folder / "results.json"
        write_job(
            replace(target, bodies_file=str(bodies), result_file=str(results)),
            job,
        )
        done = subprocess.run(
            [sys.executable, "-m", "bench.load", str(job)],
            capture_output=True, text=True, timeout=300, cwd=ROOT, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"the load generator failed: {done.stderr[-800:]}")
        result: dict[str, Any] = json.loads(results.read_text())
        if len(result["request_seconds"]) != len(workload.bodies):
            raise RuntimeError("not every request was answered")
        if check == "gateway":
            for sample in result["samples"]:
                _verify_answer(sample, workload.batch)
        return result


def _verify_answer(text: str, batch: int) -> None:
    """Every ref answered, protected names kept, optional ones dropped under a lease."""
    answer = json.loads(text)
    if len(answer["refs"]) != batch or not answer["entries"]:
        raise RuntimeError("an answer lacks refs or its entry")
    effects = {verdict["effect"] for verdict in answer["verdicts"]}
    if "fail_safe" in effects:
        raise RuntimeError(f"a fail-safe verdict under load: {answer['verdicts'][-1]['reasons']}")


@contextmanager
def running_opa(folder: Path, archive: bytes, log_decisions: bool) -> Iterator[str]:
    """A plain OPA server with the same bundle; decision logs go to a file, as its console does."""
    bundle = folder / "bundle.tar.gz"
    bundle.write_bytes(archive)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(find_opa()), "run", "--server", f"--addr=127.0.0.1:{port}",
               "--log-level=error", "--disable-telemetry"]  # fmt: skip
    if log_decisions:
        command.append("--set=decision_logs.console=true")
    command += ["--bundle", str(bundle)]
    with (folder / "opa.log").open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env={"GOGC": "400"})
    url = f"http://127.0.0.1:{port}"
    try:
        _await_opa(url)
        yield f"{url}/v1/data/main/verdicts"
    finally:
        process.kill()
        process.wait()


def _await_opa(url: str) -> None:
    for _ in range(400):
        try:
            if httpx.get(f"{url}/health?bundles", trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError("OPA did not become healthy in 20 s; see opa.log in the bench's folder")


def run_bench(seed: int, rounds: int, scale: float, console: Console) -> dict[str, Any]:
    """Measure everything; returns the document that is written."""
    with tempfile.TemporaryDirectory(dir=ROOT / "bench" / "out") as name:
        bench = Bench(Path(name), seed, rounds, console)
        workplace = make_workplace(Path(name) / "gateway", SystemClock())
        _use_frozen_policies(workplace)
        bundle = read_bundle(FROZEN)
        console.print("The gateway, durable log, mTLS:")
        with running_gateway(workplace):
            _measure_gateway(bench, workplace, scale)
        attributes = bundle.class_declaration.attributes
        for logged in (True, False):
            console.print(f"OPA directly, decision log {'on' if logged else 'off'}:")
            with running_opa(Path(name), bundle.archive, logged) as url:
                _measure_opa(bench, url, attributes, "log" if logged else "no log", scale)
    return _document(bench, seed)


def _measure_gateway(bench: Bench, workplace: Workplace, scale: float) -> None:
    certificate, key = workplace.subject(COLLECTOR)
    ca = workplace.folder / "keys" / "ca.pem"

    def target(connections: int) -> Job:
        return Job(f"{workplace.url}/v1/decisions", "", "", connections, str(certificate), str(key),
                   str(ca))  # fmt: skip

    fleet, rounds = bench.fleet, range(bench.rounds)
    batches = max(20, int(400 * scale))
    cold = [fleet.warm(max(4, int(20 * scale)), BATCH, new_share=1.0) for _ in rounds]
    bench.measure("gateway, every class new", target(2), cold, "gateway")
    bench.measure("gateway, fill (not quoted)", target(1), [fleet.every_class(BATCH)], "gateway")
    warm = [fleet.warm(batches, BATCH) for _ in rounds]
    bench.measure("gateway, warm", target(8), warm, "gateway")
    mixed = [fleet.warm(batches, BATCH, new_share=0.01) for _ in rounds]
    bench.measure("gateway, 99 % warm", target(8), mixed, "gateway")
    singles = [fleet.warm(int(6000 * scale) + 500, 1) for _ in rounds]
    bench.measure("gateway, one a request", target(16), singles, "gateway")


def _measure_opa(
    bench: Bench, url: str, attributes: Sequence[str], label: str, scale: float
) -> None:
    fleet, rounds = bench.fleet, range(bench.rounds)
    target = Job(url, "", "", 2)
    for batch, count in ((BATCH, max(4, int(20 * scale))), (1, int(1500 * scale) + 200)):
        loads = [opa_bodies(fleet.warm(count, batch, 0.01), attributes) for _ in rounds]
        bench.measure(f"OPA, {label}, {'batched' if batch > 1 else 'one a request'}", target,
                      loads, "opa")  # fmt: skip


def _use_frozen_policies(workplace: Workplace) -> None:
    # A long deadline, so that a slow moment of the machine counts as slow and not as fail-safe.
    build_policies(workplace, FROZEN)
    text = workplace.gateway_yaml.read_text()
    workplace.gateway_yaml.write_text(text.replace("engine:\n", "engine:\n  timeout_ms: 15000\n"))


def _document(bench: Bench, seed: int) -> dict[str, Any]:
    by_name = {row.name: row for row in bench.rows}
    logged = by_name["OPA, log, batched"].verdicts_per_second
    warm99 = by_name["gateway, 99 % warm"].verdicts_per_second
    cold = by_name["gateway, every class new"].verdicts_per_second
    figures = {
        "warm_batch500_verdicts_per_second": by_name["gateway, warm"].verdicts_per_second,
        "warm99_batch500_verdicts_per_second": warm99,
        "cold_batch500_verdicts_per_second": cold,
        "warm99_batch500_vs_opa_logged_ratio": warm99 / logged,
        "cold_batch500_vs_opa_logged_ratio": cold / logged,
        "single_requests_per_second": by_name["gateway, one a request"].verdicts_per_second,
        "single_p99_ms": by_name["gateway, one a request"].p99_ms,
    }
    machine = (
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    )
    return {
        "machine": machine,
        "command": "make bench",
        "seed": seed,
        "rows": [
            {
                "name": row.name,
                "batch": row.batch,
                "connections": row.connections,
                "verdicts_per_second": round(row.verdicts_per_second),
                "p50_ms": round(row.p50_ms, 2),
                "p99_ms": round(row.p99_ms, 2),
            }
            for row in bench.rows
        ],
        "figures": {name: round(value, 3) for name, value in figures.items()},
    }


def print_document(console: Console, document: dict[str, Any]) -> None:
    """The table that people read."""
    table = Table(title=f"Verdicts per second ({document['machine']}, seed {document['seed']})")
    table.add_column("asked")
    for heading in ("batch", "connections", "verdicts/s", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    for row in document["rows"]:
        if "not quoted" not in row["name"]:
            table.add_row(
                row["name"], str(row["batch"]), str(row["connections"]),
                f"{row['verdicts_per_second']:,}", str(row["p50_ms"]), str(row["p99_ms"]),
            )  # fmt: skip
    console.print(table)
    for name, value in document["figures"].items():
        console.print(f"  {name}: {value:,}")


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="a tenth of the requests, one round")
    arguments = parser.parse_args()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    rounds, scale = (1, 0.1) if arguments.short else (arguments.rounds, 1.0)
    document = run_bench(arguments.seed, rounds, scale, console)
    OUT.write_text(json.dumps(document, indent=1) + "\n")
    print_document(console, document)
    console.print(f"written to {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
