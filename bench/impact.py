"""Recorded verdicts under a candidate, as `gateway policy impact` asks them, beside the same ones
asked one by one: same OPA, same classes, same machine, same run.

    python -m bench.impact [--short] [--seed N]
"""

import argparse
import asyncio
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from bench.workload import Fleet
from gateway import canonical
from gateway.audit.port import Draft
from gateway.audit.sql_log import SqlLog
from gateway.bundles.files import read_files
from gateway.bundles.folder import parse_bundle
from gateway.bundles.limits import DEFAULT_LIMITS
from gateway.clock import ManualClock, SystemClock, format_time
from gateway.decisions.epoch import begin_epoch
from gateway.decisions.evaluation import evaluate, record
from gateway.decisions.policy import ActivePolicy
from gateway.decisions.proposals import ProposalReader
from gateway.demo.workplace import find_opa, source_root
from gateway.engine.opa import EngineLimits
from gateway.engine.supervisor import SupervisedOpa, SupervisionLimits
from gateway.impact.assessment import assess
from gateway.impact.report import Impact
from gateway.impact.side import Side, ask, side_of
from gateway.recorded.bundles import StoredBundle, accepted_bundle
from gateway.recorded.floors import floor_over
from gateway.recorded.reading import Reading, RecordedClass, read_recorded
from gateway.sealed.age import AgeKeyService
from gateway.storage.engine import Engine, open_database
from gateway.storage.recorded_store import SqlRecordedEntries
from gateway.storage.schema import migrate
from gateway.transparency.notes import Signer
from gateway.wire.classes import ProcessClass, Sender, project
from gateway.wire.documents import load_yaml
from gateway.wire.verdicts import PolicyRef

ROOT = source_root()
OUT = ROOT / "bench" / "out" / "impact.json"
FROZEN = ROOT / "bench" / "policies_frozen"
ORIGIN = "example.org/bench"
ACTOR = "spiffe://example.org/gateway/bench"
SENDER = Sender("production", "eu-west-1", "unlisted")
DAY_US = 86_400_000_000
FIRST_US = 1_790_000_000_000_000
DAYS = 5
SINGLES = 1_000
EACH = 100
LOSING = "data/pci/data.yaml"
LIMITS = SupervisionLimits(engine=EngineLimits(deadline_seconds=60.0))


@dataclass(frozen=True, slots=True)
class Measured:
    """Times in seconds."""

    reading: Reading
    impact: Impact
    read_seconds: float
    assess_seconds: float
    singles: int
    single_seconds: float
    unequal: int


async def run_bench(folder: Path, seed: int, classes: int, verdicts: int) -> Measured:
    """Write a log, read it back, assess, and ask one by one."""
    files = read_files(FROZEN, DEFAULT_LIMITS)
    active = accepted_bundle(parse_bundle(files))
    candidate = accepted_bundle(parse_bundle(_losing(files)))
    engines = [SupervisedOpa(bundle, find_opa(), LIMITS) for bundle in (active, candidate)]
    try:
        for engine in engines:
            await engine.start()
        sides = [
            side_of(bundle, floor_over(None, bundle.never_filter, ()), engine)
            for bundle, engine in zip((active, candidate), engines, strict=True)
        ]
        database = open_database(f"sqlite:///{folder / 'log.db'}")
        migrate(database)
        vault = await _write(database, folder, active, engines[0], seed, classes, verdicts)
        started = time.perf_counter()
        reading = read_recorded(
            SqlRecordedEntries(database, ORIGIN),
            vault,
            format_time(FIRST_US)[:10],
            format_time(FIRST_US + DAYS * DAY_US)[:10],
            lambda _: active.schedule,
        )
        read_seconds = time.perf_counter() - started
        database.dispose()
        started = time.perf_counter()
        impact = await assess(sides[1], sides[0], reading.classes, SystemClock())
        assess_seconds = time.perf_counter() - started
        singles = await _singles(sides[1], reading.classes, seed)
    finally:
        for engine in engines:
            await engine.aclose()
    return Measured(reading, impact, read_seconds, assess_seconds, *singles)


def _losing(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same bundle a version later, without its first rows of PCI DSS."""
    data = load_yaml(files[LOSING].decode(), LOSING)
    data["never_filter"] = data["never_filter"][4:]
    manifest = json.loads(files[".manifest"])
    manifest["metadata"]["version"] += 1
    changed = {name: content for name, content in files.items() if name != LOSING}
    changed[LOSING.replace(".yaml", ".json")] = json.dumps(data).encode()
    changed[".manifest"] = json.dumps(manifest).encode()
    return changed


async def _write(
    database: Engine,
    folder: Path,
    bundle: StoredBundle,
    engine: SupervisedOpa,
    seed: int,
    classes: int,
    verdicts: int,
) -> Any:
    """A log of some days in which each class was evaluated daily; its vault."""
    identity = folder / "age.txt"
    identity.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    identity.chmod(0o600)
    clock = ManualClock(wall_us=FIRST_US)
    log = await SqlLog.open(
        database,
        ORIGIN,
        Signer(ORIGIN, Ed25519PrivateKey.generate()),
        AgeKeyService.open(identity),
        clock,
        ACTOR,
    )
    policy = _policy(bundle, engine)
    chooser = random.Random(seed)
    fleet = [_class(bundle, proposal) for proposal in _proposals(seed, classes)]
    daily = verdicts // DAYS
    for _day in range(DAYS):
        places = await _evaluate(log, policy, fleet, clock.now_us())
        drawn = chooser.choices(range(len(fleet)), [1 / (rank + 1) for rank in range(len(fleet))],
                                k=daily - len(fleet))  # fmt: skip
        weights = [1] * len(fleet)
        for number in drawn:
            weights[number] += 1
        cited: list[canonical.Value] = [
            [*places[number], weight] for number, weight in enumerate(weights)
        ]
        drafts = []
        for at in range(0, len(cited), 1000):
            part: list[canonical.Value] = cited[at : at + 1000]
            body: dict[str, canonical.Value] = {
                "activation": 1, "fail_safe": {}, "verdicts": part,
            }  # fmt: skip
            drafts.append(Draft("decisions", ACTOR, canonical.encode(body)))
        await log.append(drafts)
        clock.advance(86_400)
    await log.aclose()
    return log.vault


async def _evaluate(
    log: SqlLog, policy: ActivePolicy, fleet: Sequence[ProcessClass], now_us: int
) -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    epoch = begin_epoch(policy, now_us)
    for at in range(0, len(fleet), 500):
        part = [(item, item) for item in fleet[at : at + 500]]
        outcomes = await evaluate(epoch, SENDER, "active", part)
        recording = record(epoch, SENDER, "active", outcomes, now_us, ACTOR)
        appended = await log.append(recording.drafts, recording.payloads)
        places += [(appended[one.entry].seq, one.position) for one in recording.evaluated]
    return places


def _policy(bundle: StoredBundle, engine: SupervisedOpa) -> ActivePolicy:
    floor = floor_over(None, bundle.never_filter, ())
    return ActivePolicy(
        ref=PolicyRef(1, bundle.revision, bundle.hash, floor.hash),
        engine=engine,
        floor=floor,
        declaration=bundle.declaration,
        reader=ProposalReader(bundle.declaration),
        schedule=bundle.schedule,
        max_age_seconds=DAYS * 86_400,
        expires_us=FIRST_US + 400 * DAY_US,
    )


def _proposals(seed: int, classes: int) -> list[dict[str, Any]]:
    bodies = Fleet(seed, classes).every_class(500).bodies
    found = [proposal for body in bodies for proposal in json.loads(body)["proposals"]]
    for number, proposal in enumerate(found):
        if number % EACH == 0:  # what the candidate gives up, and no floor has
            for name in ("service.name", "k8s.deployment.name", "process.executable.name"):
                proposal["process"][name] = f"card-vault-{number}"
            proposal["process"]["process.executable.path"] = f"/opt/card-vault-{number}"
            proposal["process"]["compliance.process.identity"] = "card-vault"
    return found


def _class(bundle: StoredBundle, proposal: dict[str, Any]) -> ProcessClass:
    return project(bundle.declaration, SENDER, proposal["process"], proposal["action"], None,
                   proposal["score"], proposal["profile"])  # fmt: skip


async def _singles(
    side: Side, recorded: Sequence[RecordedClass], seed: int
) -> tuple[int, float, int]:
    """Recorded classes asked one by one: how many, in what time, how many unlike the batch."""
    chosen = random.Random(seed).choices(recorded, k=SINGLES)
    questions = [(item.process_class, side.schedule.active(item.spans[0].at_us)) for item in chosen]
    batched = await ask(side, questions, SystemClock())
    unequal = 0
    started = time.perf_counter()
    for process_class, windows in questions:
        [answer] = await side.engine.evaluate(process_class.sender, windows, [process_class])
        settled, _ = side.settle(process_class, answer, side.floor, side.exceptions)
        unequal += settled != batched.verdicts[process_class, windows]
    return len(questions), time.perf_counter() - started, unequal


def document_of(measured: Measured, seed: int) -> dict[str, Any]:
    """What is written and printed."""
    total = measured.read_seconds + measured.assess_seconds
    singles_per_second = measured.singles / measured.single_seconds
    one_by_one = measured.impact.verdicts / singles_per_second
    figures = {
        "verdicts": measured.impact.verdicts,
        "classes": measured.impact.classes,
        "read_seconds": measured.read_seconds,
        "assess_seconds": measured.assess_seconds,
        "verdicts_per_second": measured.impact.verdicts / total,
        "singles_compared": measured.singles,
        "singles_unequal": measured.unequal,
        "singles_per_second": singles_per_second,
        "one_by_one_seconds": one_by_one,
        "impact_vs_one_by_one_ratio": one_by_one / total,
        "losses": len(measured.impact.losses),
    }
    machine = (
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    )
    return {
        "machine": machine,
        "command": "make bench-impact",
        "seed": seed,
        "rows": [],
        "figures": {name: round(value, 3) for name, value in figures.items()},
    }


def print_document(console: Console, document: dict[str, Any]) -> None:
    """The comparison that people read."""
    figures = document["figures"]
    console.print(f"Impact of a candidate ({document['machine']}, seed {document['seed']})")
    seconds = figures["read_seconds"] + figures["assess_seconds"]
    console.print(
        f"  {figures['verdicts']:,} recorded verdicts of {figures['classes']:,} classes: "
        f"{seconds:.1f} s\n"
        f"    ({figures['read_seconds']:.1f} s to read and unseal, "
        f"{figures['assess_seconds']:.1f} s to ask both policies)\n"
        f"  one by one at {figures['singles_per_second']:,.0f} a second: "
        f"{figures['one_by_one_seconds']:,.0f} s\n"
        f"  {figures['impact_vs_one_by_one_ratio']:,.0f} times as fast; "
        f"{figures['singles_compared']:,} compared singly, {figures['singles_unequal']} unequal\n"
        f"  {figures['losses']:,} losses by name"
    )


def main() -> None:
    """Run, print, write; exit 1 when a batch is not its singles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--short", action="store_true", help="a tenth of the classes and verdicts")
    arguments = parser.parse_args()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    classes, verdicts = (300, 100_000) if arguments.short else (3_000, 1_000_000)
    with tempfile.TemporaryDirectory(dir=OUT.parent) as name:
        measured = asyncio.run(run_bench(Path(name), arguments.seed, classes, verdicts))
    document = document_of(measured, arguments.seed)
    OUT.write_text(json.dumps(document, indent=1) + "\n")
    console = Console(highlight=False)
    print_document(console, document)
    console.print(f"written to {OUT.relative_to(ROOT)}")
    sys.exit(1 if measured.unequal else 0)


if __name__ == "__main__":
    main()
