"""The `collector` command.

Exit codes: 0 fine (keeping everything while the gateway is away is fine), 1 what was checked does
not hold (the log's evidence, the ledger's balance), 2 could not run (configuration, host, input).
"""

import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console

from collector.agent import CycleSummary
from collector.client.refusal import clear_refusal
from collector.composition import Collector, compose
from collector.configuration import Configuration, load_configuration
from collector.errors import CollectorError, EvidenceError
from collector.explain import describe_lines, explain, find
from collector.summary import make_plain, print_summary, to_json
from gateway.clock import SystemClock, format_time

NOT_HELD, COULD_NOT = 1, 2
ONCE_INTERVAL_SECONDS = 1.0

_CLEARING = (
    "It binds over restarts. After a person has looked, `collector check --clear-refusal` moves "
    "the refused note aside; the kept checkpoint stays and the log must extend it."
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Scrape processes; drop nothing without a live lease from the compliance gateway.",
)

ConfigOption = Annotated[Path, typer.Option("--config", help="collector.yaml")]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")]


@app.command()
def run(
    config: ConfigOption,
    once: Annotated[bool, typer.Option("--once", help="A few samples, a table, and end.")] = False,
    samples: Annotated[int, typer.Option(min=1, help="With --once: how many samples.")] = 2,
    cycles: Annotated[int | None, typer.Option(min=1, help="End after this many.")] = None,
    interval: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds between samples; with --once 1, else as configured."),
    ] = None,
    observe: Annotated[bool, typer.Option("--observe", help="Ask, but drop nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Scrape, ask, enforce, export and report, cycle after cycle.

    The first sample of a process is always kept, so --once takes two.
    """
    configuration = load_configuration(config)
    collector = compose(configuration, observe=observe)
    default_seconds = ONCE_INTERVAL_SECONDS if once else configuration.interval_seconds
    interval_seconds = default_seconds if interval is None else interval
    last = samples if once else cycles
    held = True
    with (
        closing(collector.client),
        _stop_on_signal() as stop,
        _progress("Sampling this machine's processes", shown=once),
    ):
        for summary in _cycles(collector, interval_seconds, last, stop):
            is_last = summary.cycle == last
            _print_cycle(summary, as_json=as_json, once=once, is_last=is_last)
            held = summary.evidence_failure is None and summary.counters.imbalance() == 0
    if not held:
        raise typer.Exit(NOT_HELD)


@app.command("explain")
def explain_process(
    process: Annotated[str, typer.Argument(help="A PID or a process's name.")],
    config: ConfigOption,
    as_json: JsonOption = False,
) -> None:
    """Say why a process is kept, sampled or dropped; asks the gateway, drops nothing."""
    configuration = load_configuration(config)
    collector = compose(configuration)
    with closing(collector.client), _progress("Asking the gateway"):
        settled, _ = collector.agent.settle(collector.source.scan().snapshots, as_seen_before=True)
    found = find(settled, process)
    if not found:
        raise CollectorError(f"No process here has the PID or name {process[:80]!r}.")
    if as_json:
        _write_json([explain(item, configuration.rules) for item in found])
        return
    console = Console(soft_wrap=True)
    for item in found:
        for line in describe_lines(item, configuration.rules):
            console.print(make_plain(line), highlight=False)
    if collector.agent.outage:
        console.print(make_plain(collector.agent.outage), style="yellow", highlight=False)


@app.command()
def check(
    config: ConfigOption,
    clear: Annotated[
        bool,
        typer.Option(
            "--clear-refusal",
            help="After a person has looked: move a refused checkpoint aside and believe the log "
            "again, from the checkpoint that was kept.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the configuration, this host, that the gateway accepts this collector, and that its
    log's evidence was not refused."""
    configuration = load_configuration(config)
    if clear:
        _clear_refusal(configuration)
    collector = compose(configuration)
    if collector.witness.failure is not None:
        raise EvidenceError(f"{collector.witness.failure} {_CLEARING}")
    scan = collector.source.scan()
    for snapshot in scan.snapshots:
        collector.classifier.classify(snapshot.attributes)
    with closing(collector.client):
        newest = collector.witness.newest
        policy = collector.client.fetch_policy(newest.note if newest else None)
    told: dict[str, Any] = {
        "environment": collector.sender.environment,
        "region": collector.sender.region,
        "processes": len(scan.snapshots),
        "policy": policy.revision,
        "activation": policy.activation,
        "successions": [one.sentence for one in collector.witness.successions],
        "patterns_matching_nothing": list(collector.classifier.unmatched()),
    }
    if as_json:
        _write_json(told)
        return
    _print_check(configuration, told)


def _clear_refusal(configuration: Configuration) -> None:
    suffix = f"cleared-{format_time(SystemClock().now_us())}"
    moved = clear_refusal(configuration.state, suffix)
    told = [f"moved aside: {path}" for path in moved] or ["There was no refusal to clear."]
    for line in told:
        Console(stderr=True, soft_wrap=True).print(make_plain(line), highlight=False)


def main() -> None:
    """The console script."""
    # Only our own events, to standard error, so that standard output stays a machine's.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    try:
        app()
    except EvidenceError as error:
        _fail(error, NOT_HELD)
    except CollectorError as error:
        _fail(error, COULD_NOT)


def _fail(error: CollectorError, code: int) -> None:
    message = make_plain(str(error)).replace("\n", " ")
    Console(stderr=True, soft_wrap=True).print(message, style="red", highlight=False)
    sys.exit(code)


def _cycles(
    collector: Collector, interval_seconds: float, last: int | None, stop: threading.Event
) -> Iterator[CycleSummary]:
    """Summaries until the last cycle or a signal; the cycle in hand is always finished."""
    if last is None:
        collector.feed.start()
    try:
        while True:
            summary = collector.agent.run_cycle()
            yield summary
            if summary.cycle == last or stop.wait(interval_seconds):
                return
    finally:
        collector.feed.close()


def _print_cycle(summary: CycleSummary, *, as_json: bool, once: bool, is_last: bool) -> None:
    if as_json:
        if is_last or not once:
            _write_json(to_json(summary, with_table=once))
        return
    print_summary(Console(), summary, with_table=once and is_last)


def _print_check(configuration: Configuration, told: dict[str, Any]) -> None:
    console = Console(soft_wrap=True)
    lines = [
        f"{configuration.path} is fine: {told['processes']} processes can be read as a collector "
        f"of {told['environment']}, {told['region']}; profile {configuration.profile.name}.",
        f"The gateway accepts this collector; policy {told['policy']}, activation "
        f"{told['activation']}.",
    ]
    lines += [f"Followed: {sentence}." for sentence in told["successions"]]
    lines += [f"{place} matches no process now." for place in told["patterns_matching_nothing"]]
    for line in lines:
        console.print(make_plain(line), highlight=False)


def _write_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """The event is set by SIGINT or SIGTERM, so that the cycle in hand is finished."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(title: str, *, shown: bool = True) -> Iterator[None]:
    """Shows a spinner on a terminal."""
    console = Console(stderr=True)
    if shown and console.is_terminal:
        with console.status(title):
            yield
    else:
        yield
