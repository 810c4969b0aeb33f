"""`gateway audit replay`: recorded verdicts given again, offline (P9)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from gateway.configuration import GatewayConfig, load_configuration
from gateway.errors import ConfigError
from gateway.replay.circumstances import PastPolicies
from gateway.replay.engines import EnginePool
from gateway.replay.replaying import replay as replay_selected
from gateway.replay.report import Outcome, ReplayReport
from gateway.replay.selection import Selected, select_range, select_sample
from gateway.transparency.report import printable

if TYPE_CHECKING:  # a second of imports that other commands do not wait for
    from gateway.engine.port import Engine
    from gateway.evidence import Evidence
    from gateway.recorded.bundles import StoredBundle

DEFAULT_SAMPLE = 1_000
_DEADLINE_SECONDS = 30.0  # offline nobody waits for a lease
_WIDTH = 80
_COLOURS = {Outcome.SAME: "green", Outcome.DIFFERENT: "bold red"}

OnProgress = Callable[[int, int], None]


def replay(
    config: Annotated[Path, typer.Option(help="gateway.yaml")],
    first: Annotated[
        int | None, typer.Option("--from", metavar="N", min=0, help="From this entry.")
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", metavar="M", min=0, help="To this entry, inclusive.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help=f"So many by chance (default {DEFAULT_SAMPLE:,})."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed: the same sample.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="Every recorded verdict.")] = False,
    any_engine: Annotated[
        bool, typer.Option("--any-engine", help="Take another version of the engine, and say so.")
    ] = False,
    opa: Annotated[
        Path | None, typer.Option(help="An OPA program of the recorded version.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Give recorded verdicts again with the bundle, floor and engine of their time, and compare.

    Exit code 0: what could be checked is the same. 1: something is different. 2: nothing could be
    checked. It believes the log: `gateway audit verify` says whether that may be done.
    """
    from gateway.evidence import open_evidence

    if every and (sample is not None or first is not None or last is not None):
        raise ConfigError("--all goes alone: it is every entry")
    settings = load_configuration(config)
    is_range = every or (sample is None and (first is not None or last is not None))
    size = None if is_range else sample or DEFAULT_SAMPLE
    with open_evidence(settings, config, "audit replay") as evidence:
        if evidence.unrecorded:
            typer.echo(f"note: {evidence.unrecorded}", err=True)
        stop = evidence.entries.size() if last is None else min(last + 1, evidence.entries.size())
        start = first or 0
        if start >= stop:
            raise ConfigError(f"the log has no entry from {start} to {stop - 1}")
        selected = (
            select_range(evidence.entries, start, stop)
            if size is None
            else select_sample(evidence.entries, start, stop, size, seed)
        )
        with _progress(start, stop) as on_progress:
            report = asyncio.run(
                _run(
                    evidence,
                    settings,
                    opa or settings.engine.opa,
                    any_engine,
                    selected,
                    on_progress,
                )
            )
        absences = evidence.entries.absent(start, stop)
        report.absent_entries, report.purged_entries = absences.missing, absences.purged
    if as_json:
        value = {**report.record(), "from": start, "to": stop - 1, "sample": size, "seed": seed}
        typer.echo(json.dumps(value))
    else:
        _show(report, _headline(start, stop - 1, size, seed))
    raise typer.Exit(report.exit_code)


async def _run(
    evidence: Evidence,
    settings: GatewayConfig,
    opa: Path,
    any_engine: bool,
    selected: Iterator[Selected],
    on_progress: OnProgress,
) -> ReplayReport:
    from gateway.engine.opa import EngineLimits
    from gateway.engine.supervisor import SupervisedOpa, SupervisionLimits

    async def start(bundle: StoredBundle) -> Engine:
        limits = SupervisionLimits(engine=EngineLimits(deadline_seconds=_DEADLINE_SECONDS))
        engine = SupervisedOpa(bundle, opa, limits)
        await engine.start()
        return engine

    pool = EnginePool(start)
    try:
        past = PastPolicies(evidence.history, evidence.store, pool, any_engine, evidence.keys)
        return await replay_selected(selected, evidence.vault, past, on_progress)
    finally:
        await pool.aclose()


def _headline(first: int, last: int, size: int | None, seed: int) -> str:
    what = "every verdict" if size is None else f"at most {size:,} verdicts by chance (seed {seed})"
    return f"{what} of entries {first:,} to {last:,}"


def _show(report: ReplayReport, headline: str) -> None:
    console = Console(width=min(_WIDTH, Console().width), highlight=False)
    console.print(headline)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, min_width=14)
    table.add_column(justify="right", no_wrap=True, min_width=9)
    table.add_column(overflow="fold")
    for outcome in Outcome:
        if not report.counts[outcome] and outcome is not Outcome.SAME:
            continue
        reasons = [f"{reason}" for (kind, reason), _ in report.reasons.items() if kind is outcome]
        table.add_row(
            Text(outcome, _COLOURS.get(outcome, "yellow")),
            f"{report.counts[outcome]:,}",
            Text(printable("; ".join(reasons[:3]))),
        )
    console.print(table)
    for engines, count in sorted(report.other_engines.items()):
        console.print(Text(f"note: {count:,} verdicts given by {printable(engines)}", "yellow"))
    if report.purged_entries:
        console.print(f"note: {report.purged_entries:,} entries of the range were purged")
    if report.absent_entries:
        console.print(f"note: {report.absent_entries:,} entries of the range are not there; verify")
    for difference in report.differences:
        console.print(
            Text(f"DIFFERENT entry {difference.seq} position {difference.position}", "red")
        )
        console.print(f"  class     {printable(difference.class_id)}")
        console.print(Text(f"  reason    {printable(difference.reason)}"))
        console.print(Text(f"  recorded  {printable(json.dumps(difference.recorded))}"))
        if difference.replayed is not None:
            console.print(Text(f"  replayed  {printable(json.dumps(difference.replayed))}"))
    if report.exit_code == 2:
        console.print(Text("Nothing could be checked.", "bold magenta"))


@contextmanager
def _progress(first: int, stop: int) -> Iterator[OnProgress]:
    """A bar on a terminal, elsewhere nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, seq: None
        return
    columns = (
        TextColumn("replaying"),
        BarColumn(),
        TextColumn("{task.fields[verdicts]:,} verdicts"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("replay", total=stop - first, verdicts=0)

        def note(done: int, seq: int) -> None:
            bar.update(task, completed=seq + 1 - first, verdicts=done)

        yield note
