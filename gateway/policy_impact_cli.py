"""`gateway policy impact`: what a candidate would have done to recorded traffic."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from gateway.bundles import signatures
from gateway.bundles.archive import read_archive
from gateway.bundles.folder import parse_bundle, read_bundle
from gateway.bundles.limits import DEFAULT_LIMITS
from gateway.bundles.sealed_data import unseal
from gateway.changes.activation import verify_declaration
from gateway.clock import SystemClock, format_time
from gateway.configuration import GatewayConfig, load_configuration
from gateway.decisions.windows import Schedule
from gateway.errors import BundleError, ConfigError
from gateway.impact.assessment import assess
from gateway.impact.rendering import WIDTH, print_impact
from gateway.impact.report import Impact, Unseen
from gateway.impact.side import Side, side_of
from gateway.impact.unseen import expected_unseen
from gateway.recorded.bundles import StoredBundle, accepted_bundle, stored_bundle
from gateway.recorded.floors import floor_of
from gateway.recorded.reading import Reading, read_recorded
from gateway.sealed.port import SopsKeyService

if TYPE_CHECKING:  # a second of imports that other commands do not wait for
    from gateway.engine.supervisor import SupervisedOpa
    from gateway.evidence import Evidence

_SINCE = re.compile(r"([1-9][0-9]{0,3})([dw])")
_DAY_US = 86_400_000_000
_DEADLINE_SECONDS = 30.0  # offline nobody waits for a lease
_LOSSES = 1

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class _Found:
    impact: Impact
    unseen: tuple[Unseen, ...]
    reading: Reading


def impact(
    config: Annotated[Path, typer.Option(help="gateway.yaml")],
    candidate: Annotated[Path, typer.Option(help="the candidate bundle: a folder or an archive")],
    since: Annotated[str, typer.Option(help="how far back: 30d, 4w")] = "30d",
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Give recorded traffic to a candidate bundle and show what becomes of it.

    Exit code 0: nothing that was seen would lose protection. 1: something would.
    """
    from gateway.sealed.age import AgeKeyService

    days = _days(since)
    settings = load_configuration(config)
    keys = AgeKeyService.open(settings.key_service.age_identity)
    bundle = read_candidate_bundle(candidate, keys)
    with _progress() as on_progress:
        found = asyncio.run(_run(settings, config, bundle, days, on_progress))
    if as_json:
        typer.echo(json.dumps(_record(found, bundle)))
    else:
        console = Console(width=min(WIDTH, Console().width), highlight=False)
        console.print(
            f"{bundle.revision} on what was recorded from {found.reading.first_day} to "
            f"{found.reading.last_day} (verdicts)"
        )
        print_impact(console, found.impact, found.unseen, found.reading.unreadable)
    raise typer.Exit(_LOSSES if found.impact.losses else 0)


def read_candidate_bundle(path: Path, key_service: SopsKeyService | None = None) -> StoredBundle:
    """A bundle from its folder or built archive, whoever signed it, its sealed data opened if a key
    service is given; raises BundleError."""
    if path.is_dir():
        bundle = read_bundle(path)
    else:
        try:
            with path.open("rb") as file:
                data = file.read(DEFAULT_LIMITS.max_total_bytes + 1)
        except OSError as error:
            raise BundleError(f"{path}: {error.strerror}; name a folder or an archive") from None
        files = read_archive(data)
        files.pop(signatures.PATH, None)
        bundle = parse_bundle(files)
    verify_declaration(bundle.class_declaration)
    return accepted_bundle(bundle if key_service is None else unseal(bundle, key_service))


def _days(since: str) -> int:
    found = _SINCE.fullmatch(since)
    if found is None:
        raise ConfigError(f"--since {since!r}: write a number of days or weeks: 30d, 4w")
    return int(found[1]) * (7 if found[2] == "w" else 1)


async def _run(
    settings: GatewayConfig, path: Path, candidate: StoredBundle, days: int, progress: OnProgress
) -> _Found:
    from gateway.evidence import open_evidence

    clock = SystemClock()
    now_us = clock.now_us()
    with open_evidence(settings, path, "policy impact") as evidence:
        if evidence.unrecorded:
            typer.echo(f"note: {evidence.unrecorded}", err=True)
        serving = evidence.history.serving_at(evidence.newest)
        if serving is None:
            raise ConfigError("no policy is in force yet, so there is nothing to compare with")
        reading = _read(evidence, now_us - days * _DAY_US, now_us, progress)
        before_us = now_us - (days + 1) * _DAY_US
        earlier = _read(evidence, before_us - days * _DAY_US, before_us, progress)
        active = _kept(evidence, serving.bundle)
        sides: list[Side] = []
        async with AsyncExitStack() as stack:
            for bundle in (candidate, active):
                engine = _engine(settings, bundle)
                stack.push_async_callback(engine.aclose)
                await engine.start()
                floor = floor_of(serving, bundle)
                sides.append(side_of(bundle, floor, engine))  # nor do live exceptions count
            impact = await assess(
                sides[0],
                sides[1],
                reading.classes,
                clock,
                lambda done, expected: progress("asking", done, expected),
            )
    return _Found(impact, expected_unseen(candidate, reading.classes, earlier.classes), reading)


def _read(evidence: Evidence, from_us: int, to_us: int, progress: OnProgress) -> Reading:
    known: dict[str, Schedule | None] = {}

    def schedule_of(bundle_hash: str) -> Schedule | None:
        if bundle_hash not in known:
            archive = evidence.store.get(bundle_hash)
            known[bundle_hash] = (
                None if archive is None else stored_bundle(bundle_hash, archive).schedule
            )
        return known[bundle_hash]

    return read_recorded(
        evidence.entries,
        evidence.vault,
        format_time(from_us)[:10],
        format_time(to_us)[:10],
        schedule_of,
        lambda done, expected: progress("reading", done, expected),
    )


def _kept(evidence: Evidence, bundle_hash: str) -> StoredBundle:
    archive = evidence.store.get(bundle_hash)
    if archive is None:
        raise ConfigError(f"bundle {bundle_hash[:16]}, which is in force, is not in the store")
    return stored_bundle(bundle_hash, archive, evidence.keys)


def _engine(settings: GatewayConfig, bundle: StoredBundle) -> SupervisedOpa:
    from gateway.engine.opa import EngineLimits
    from gateway.engine.supervisor import SupervisedOpa, SupervisionLimits

    limits = SupervisionLimits(engine=EngineLimits(deadline_seconds=_DEADLINE_SECONDS))
    return SupervisedOpa(bundle, settings.engine.opa, limits)


def _record(found: _Found, bundle: StoredBundle) -> dict[str, object]:
    return {
        "bundle": bundle.hash,
        "revision": bundle.revision,
        "first_day": found.reading.first_day,
        "last_day": found.reading.last_day,
        "unreadable": dict(found.reading.unreadable),
        "unseen": [asdict(row) for row in found.unseen],
        "impact": found.impact.record(),
    }


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A bar on a terminal, elsewhere nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done, expected: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def note(what: str, done: int, expected: int) -> None:
            bar.update(task, description=what, completed=done, total=expected)

        yield note
