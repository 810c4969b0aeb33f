"""The audit log: appending, verifying, exporting and proving, beside what the machine itself can do
with the same bytes in the same run.

    python -m bench.audit [--short] [--seed N] [--no-postgresql]
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.audit_limits import fsync_rate, insert_rate, sha256_rate
from bench.audit_log import ENTRY_BYTES, BenchLog, bodies
from bench.processes import run_watched
from gateway.clock import SystemClock
from gateway.demo.workplace import source_root
from tests.fakes.postgresql import running_postgres

ROOT = source_root()
OUT = ROOT / "bench" / "out" / "audit.json"
GATEWAY = ROOT / ".venv" / "bin" / "gateway"
GROUPS = (1, 10, 100, 1_000)
SIZES = (10_000, 100_000, 1_000_000)
DEPTHS = ("bytes", "fields", "canonical")
WRITERS = 64
MOST_WAITING = 8_000  # entries; the log's queue holds twice as many
SECONDS_PER_APPEND_RUN = 4.0


@dataclass(frozen=True, slots=True)
class Row:
    """One measured thing. `per_second` counts entries, except where `name` says otherwise."""

    name: str
    entries: int
    seconds: float
    per_second: float
    peak_mb: float = 0.0
    note: str = ""


class Bench:
    """Where rows gather."""

    def __init__(self, folder: Path, seed: int, console: Console) -> None:
        self.folder = folder
        self.seed = seed
        self.console = console
        self.rows: list[Row] = []

    def add(
        self, name: str, entries: int, seconds: float, peak_mb: float = 0.0, note: str = ""
    ) -> Row:
        """Keep a row and tell it."""
        row = Row(name, entries, seconds, entries / seconds, peak_mb, note)
        self.rows.append(row)
        self.console.print(f"  {name}: {row.per_second:,.0f}/s {note}")
        return row


def measure_append(bench: Bench, store: str, url: str, run_seconds: float) -> None:
    """Entries a second by group size: up to WRITERS callers, each waits until its group is
    durable."""
    for size in GROUPS:
        log = BenchLog.new(url, f"example.org/{store}-{size}")
        count, seconds = asyncio.run(_append_for(log, size, run_seconds, bench.seed))
        bench.add(f"append {store}, groups of {size:,}", count, seconds)


async def _append_for(log: BenchLog, size: int, run_seconds: float, seed: int) -> tuple[int, float]:
    drafts = bodies(random.Random(seed), max(size, 100))
    async with log.opened(SystemClock()) as opened:
        started = time.perf_counter()
        ends = started + run_seconds

        async def write() -> int:
            written = 0
            while time.perf_counter() < ends:
                await opened.append(drafts[:size])
                written += size
            return written

        writers = min(WRITERS, MOST_WAITING // size)
        counts = await asyncio.gather(*(write() for _ in range(writers)))
        return sum(counts), time.perf_counter() - started


def build(bench: Bench, size: int) -> BenchLog:
    """A log of `size` entries in SQLite, signed each second as in life."""
    log = BenchLog.new(f"sqlite:///{bench.folder}/log-{size}.db", "example.org/bench")
    started = time.perf_counter()
    asyncio.run(_fill(log, size, bench.seed))
    bench.add(f"append, {size:,} in all", size, time.perf_counter() - started)
    return log


async def _fill(log: BenchLog, size: int, seed: int) -> None:
    drafts = bodies(random.Random(seed), 1_000)
    async with log.opened(SystemClock()) as opened:
        left = size - 1  # the log's own first entry
        while left > 0:
            batch = [drafts[: min(1_000, left - at)] for at in range(0, min(left, 8_000), 1_000)]
            await asyncio.gather(*(opened.append(part) for part in batch))
            left -= sum(map(len, batch))


def measure_verify(bench: Bench, log: BenchLog, size: int) -> None:
    """The command that auditors run, as a whole process with its workers, memory included."""
    anchor = log.checkpoint_file(bench.folder)
    for depth in DEPTHS:
        command = [str(GATEWAY), "audit", "verify", str(log.path), "--key", log.vkey,
                   "--checkpoint", str(anchor), "--depth", depth, "--json"]  # fmt: skip
        run = run_watched(command)
        verdict = json.loads(run.output)
        if run.code != 0 or verdict["entries"] < size:
            raise RuntimeError(f"verify said {run.output[-300:]}")
        name = f"verify {depth}, {size:,} (whole process)"
        bench.add(name, verdict["entries"], run.seconds, run.peak_mb, f"{run.peak_mb:.0f} MB")


def measure_export(bench: Bench, log: BenchLog, size: int) -> None:
    """A whole export, one that finds nothing new, and a proof."""
    target = bench.folder / f"export-{size}"
    common = [str(GATEWAY), "audit"]
    command = [*common, "export", str(target), "--database", str(log.path)]
    for name in ("export", "export again, nothing new"):
        run = run_watched(command)
        if run.code != 0:
            raise RuntimeError(f"export said {run.output[-300:]}")
        bench.add(f"{name}, {size:,}", size, run.seconds, run.peak_mb, f"{run.peak_mb:.0f} MB")
    proof = bench.folder / f"{size}.tlog-proof"
    place = str(random.Random(bench.seed).randrange(size))
    times = []
    for _ in range(3):
        proof.unlink(missing_ok=True)
        run = run_watched([*common, "prove", place, "--database", str(log.path),
                           "--out", str(proof)])  # fmt: skip
        if run.code != 0:
            raise RuntimeError(f"prove said {run.output[-300:]}")
        times.append(run.seconds)
    note = f"{proof.stat().st_size:,} bytes, {statistics.median(times) * 1000:.0f} ms"
    bench.add(f"prove one of {size:,} (proofs/s, whole process)", 1, min(times), 0.0, note)


def measure_limits(bench: Bench, entries: int) -> None:
    """What the machine does with the same bytes and nothing else."""
    data = [os.urandom(ENTRY_BYTES) for _ in range(1_000)]
    limits: Sequence[tuple[str, Callable[[], tuple[int, float]]]] = (
        (f"limit: SHA-256 of {ENTRY_BYTES} bytes, one core", lambda: sha256_rate(data, entries)),
        ("limit: fsync of 4 KiB (fsyncs/s)", lambda: fsync_rate(bench.folder)),
        (
            "limit: SQLite insert of the same bytes, groups of 4,096",
            lambda: insert_rate(bench.folder, data, entries),
        ),
    )
    for name, measure in limits:
        count, seconds = measure()
        bench.add(name, count, seconds)


def run_bench(bench: Bench, sizes: Sequence[int], postgresql: str, run_seconds: float) -> None:
    """Everything, smallest first."""
    bench.console.print("The machine:")
    measure_limits(bench, min(sizes[-1], 200_000))
    bench.console.print("Appending:")
    measure_append(bench, "sqlite", f"sqlite:///{bench.folder}/append.db", run_seconds)
    if postgresql:
        measure_append(bench, "postgresql", postgresql, run_seconds)
    else:
        bench.console.print("  PostgreSQL is not measured (--no-postgresql)")
    for size in sizes:
        bench.console.print(f"{size:,} entries:")
        log = build(bench, size)
        measure_verify(bench, log, size)
        measure_export(bench, log, size)
    measure_limits(bench, min(sizes[-1], 200_000))  # again: the machine is not alone


def document(bench: Bench, sizes: Sequence[int]) -> dict[str, Any]:
    """What is written."""
    rate = {row.name: row.per_second for row in bench.rows}
    largest = f"{sizes[-1]:,}"

    def best(store: str) -> float:
        return max(rate.get(f"append {store}, groups of {size:,}", 0.0) for size in GROUPS)

    figures = {
        "append_per_second_sqlite": best("sqlite"),
        "append_per_second_postgresql": best("postgresql"),
        "verify_bytes_per_second": rate[f"verify bytes, {largest} (whole process)"],
        "verify_parsed_per_second": rate[f"verify fields, {largest} (whole process)"],
        "verify_canonical_per_second": rate[f"verify canonical, {largest} (whole process)"],
        f"verify_peak_mb_{'1m' if sizes[-1] == SIZES[-1] else sizes[-1]}": max(
            row.peak_mb for row in bench.rows if row.name.startswith("verify")
        ),
    }
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, "
        f"Python {platform.python_version()}",
        "command": "make bench-audit",
        "seed": bench.seed,
        "rows": [asdict(row) for row in bench.rows],
        "figures": {name: round(value, 1) for name, value in figures.items()},
    }


def print_document(console: Console, made: dict[str, Any]) -> None:
    """The table that people read."""
    table = Table(title=f"The audit log ({made['machine']}, seed {made['seed']})")
    table.add_column("what")
    for heading in ("a second", "seconds", "peak MB"):
        table.add_column(heading, justify="right")
    for row in made["rows"]:
        peak = f"{row['peak_mb']:.0f}" if row["peak_mb"] else ""
        table.add_row(row["name"], f"{row['per_second']:,.0f}", f"{row['seconds']:.2f}", peak)
    console.print(table)
    for name, value in made["figures"].items():
        console.print(f"  {name}: {value:,}")


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--short", action="store_true", help="10,000 entries, short runs")
    parser.add_argument("--no-postgresql", action="store_true", help="SQLite alone")
    asked = parser.parse_args()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as `gateway serve` does
    sizes, run_seconds = (SIZES[:1], 1.0) if asked.short else (SIZES, SECONDS_PER_APPEND_RUN)
    with tempfile.TemporaryDirectory(dir=OUT.parent) as name, ExitStack() as stack:
        bench = Bench(Path(name), asked.seed, console)
        server = None if asked.no_postgresql else stack.enter_context(running_postgres())
        url = "" if server is None else server.url(server.new_database())
        run_bench(bench, sizes, url, run_seconds)
    made = document(bench, sizes)
    OUT.write_text(json.dumps(made, indent=1) + "\n")
    print_document(console, made)
    console.print(f"written to {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
