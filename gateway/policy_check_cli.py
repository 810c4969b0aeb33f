"""`gateway policy check`: what is wrong with a bundle, where, and how to mend it.

Exit code 0: no errors (with --strict: no warnings either), 1: findings, 2: could not check.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from gateway.authoring.finding import LEVELS, Finding, Level, Place, count_levels
from gateway.authoring.modules import Progress as OnProgress
from gateway.clock import SystemClock, format_time
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.authoring.traffic import Traffic

_WIDTH = 80
_QUIET_SECONDS = 1.0
_DAY_US = 86_400_000_000
_COLOURS: dict[Level, str] = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def check(
    bundle: Annotated[Path, typer.Argument(help="the bundle's folder")] = Path("policies"),
    opa: Annotated[Path, typer.Option(help="the OPA program")] = Path(".parts/bin/opa"),
    traffic: Annotated[
        Path | None,
        typer.Option(help="recorded processes, JSON lines: patterns that match none are named"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="gateway.yaml: the same, from what its log recorded (see --since)"),
    ] = None,
    since: Annotated[int, typer.Option(help="how many days back", min=1)] = 30,
    strict: Annotated[bool, typer.Option("--strict", help="warnings fail too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="write the findings as JSON")] = False,
    sarif: Annotated[Path | None, typer.Option(help="write a SARIF 2.1.0 log here")] = None,
) -> None:
    """Compile a bundle, and lint its METADATA, data, patterns and what it reads.

    Exit code 0: no errors. 1: errors. 2: it could not be checked.
    """
    # jsonschema is wanted by this command alone; the others start without it.
    from gateway.authoring.check import check_bundle
    from gateway.authoring.sarif import sarif_log
    from gateway.authoring.traffic import read_traffic

    if traffic is not None and config is not None:
        raise ConfigError("name recorded traffic by --traffic or by --config, not by both")
    recorded = read_traffic(traffic) if traffic is not None else None
    if config is not None:
        recorded = _recorded_traffic(config, since)
    today = datetime.fromtimestamp(SystemClock().now_us() / 1_000_000, UTC).date()
    with _progress() as progress:
        findings = check_bundle(bundle, opa, today=today, traffic=recorded, progress=progress)
    if sarif is not None:
        _write(sarif, json.dumps(sarif_log(findings, bundle), indent=1))
    if as_json:
        typer.echo(json.dumps(_value(findings), indent=1))
    else:
        _print(findings, bundle)
    counts = count_levels(findings)
    if counts["error"] or (strict and counts["warning"]):
        raise typer.Exit(1)


def _recorded_traffic(config: Path, days: int) -> "Traffic":
    """The processes that the log's classes name; raises ConfigError and StorageError."""
    from gateway.authoring.traffic import traffic_of
    from gateway.configuration import load_configuration
    from gateway.evidence import open_evidence
    from gateway.recorded.reading import read_recorded

    now_us = SystemClock().now_us()
    first_day = format_time(now_us - days * _DAY_US)[:10]
    with open_evidence(load_configuration(config), config, "policy check") as evidence:
        if evidence.unrecorded:
            typer.echo(f"note: {evidence.unrecorded}", err=True)
        # When each was seen does not matter here, so no schedule is asked for.
        reading = read_recorded(
            evidence.entries, evidence.vault, first_day, format_time(now_us)[:10], lambda _: None
        )
    return traffic_of(dict(one.process_class.attributes) for one in reading.classes)


def _value(findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "counts": count_levels(findings),
        "findings": [
            {
                "rule": finding.rule,
                "level": finding.level,
                **_place_value(finding.place),
                "message": finding.message,
                "mend": finding.mend,
                "related": [_place_value(place) for place in finding.related],
            }
            for finding in findings
        ],
    }


def _place_value(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "column": place.column}


def _print(findings: Sequence[Finding], bundle: Path) -> None:
    console = Console(width=_WIDTH, highlight=False)
    if findings:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=True, header_style="bold")
        table.add_column("level", no_wrap=True)
        table.add_column("what, where and how to mend it", overflow="fold")
        for finding in sorted(findings, key=lambda one: LEVELS.index(one.level)):
            table.add_row(Text(finding.level, _COLOURS[finding.level]), _cell(finding))
        console.print(table)
    counts = count_levels(findings)
    said = [f"{number} {level}{'s' * (number != 1)}" for level, number in counts.items() if number]
    # The last line is for people and for scripts, so a long path does not break it.
    console.print(Text(f"{bundle}: {', '.join(said) or 'good, nothing found'}"), soft_wrap=True)


def _cell(finding: Finding) -> Text:
    cell = Text(f"{finding.place}", "bold")
    cell.append(f"  {finding.rule}\n", "dim not bold")
    cell.append(f"{finding.message}\n", "not bold")
    cell.append(f"→ {finding.mend}", "green not bold")
    return cell


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


@contextmanager
def _progress() -> Iterator[OnProgress | None]:
    """A bar on a terminal, once the check has lasted a second."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    clock = SystemClock()
    started_ns = clock.boottime_ns()
    columns = (TextColumn("modules read"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)

        def show(done: int, total: int) -> None:
            lasted_seconds = (clock.boottime_ns() - started_ns) / 1e9
            bar.update(task, completed=done, total=total, visible=lasted_seconds >= _QUIET_SECONDS)

        yield show
