"""`gateway policy test`: OPA's own tests of a bundle, with the coverage of its rules."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.authoring.coverage import PackageReport, SuiteReport, run_tests
from gateway.bundles.folder import read_bundle

WIDTH = 80
_DOES_NOT_HOLD = 1
_PLACES_SHOWN = 40


Bundle = Annotated[Path, typer.Argument(help="The bundle's folder.")]
Opa = Annotated[Path, typer.Option(help="The OPA program.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


# Not a test of pytest's, which PT028 takes it for.
def test(
    bundle: Bundle = Path("policies"),  # noqa: PT028
    opa: Opa = Path(".parts/bin/opa"),  # noqa: PT028
    as_json: AsJson = False,  # noqa: PT028
) -> None:
    """Run the tests of a bundle's rules and measure what they cover.

    Exit code 0: every test passes and every line of every rule is covered. 1: not so, or there is
    no test. 2: the tests cannot be run."""
    with show_busy("running OPA's tests, then again for their coverage"):
        report = run_tests(read_bundle(bundle).files, opa)
    faults = report.faults()
    if as_json:
        typer.echo(json.dumps(_record(bundle, report, faults), indent=2))
    else:
        _show(bundle, report, faults)
    raise typer.Exit(_DOES_NOT_HOLD if faults else 0)


@contextmanager
def show_busy(what: str) -> Iterator[None]:
    """A spinner on a terminal's standard error, and nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def _record(bundle: Path, report: SuiteReport, faults: list[str]) -> dict[str, Any]:
    return {
        "bundle": str(bundle),
        "holds": not faults,
        "faults": faults,
        "packages": [
            {
                "package": package.package,
                "tests": [
                    {"name": case.name, "outcome": case.outcome, "place": f"{bundle}/{case.place}"}
                    for case in package.cases
                ],
                "lines": package.lines,
                "percent": package.percent if report.is_measured else None,
                "uncovered": [f"{bundle}/{place}" for place in package.uncovered],
            }
            for package in report.packages
        ],
    }


def _show(bundle: Path, report: SuiteReport, faults: list[str]) -> None:
    console = Console(width=WIDTH, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("PACKAGE", overflow="fold")
    for heading in ("PASSED", "FAILED", "COVERED"):
        table.add_column(heading, justify="right", no_wrap=True)
    for package in report.packages:
        table.add_row(*_cells(package, report.is_measured))
    console.print(table)
    console.print()
    for fault in faults[:_PLACES_SHOWN]:
        console.print(Text(f"{bundle}/{fault}" if ":" in fault else fault, "red"))
    if len(faults) > _PLACES_SHOWN:
        console.print(f"and {len(faults) - _PLACES_SHOWN} more; --json lists them all")
    passed = sum(package.count("passed") for package in report.packages)
    if faults:
        console.print(Text(f"{bundle}: {_count(len(faults), 'fault')}", "bold red"))
    else:
        lines = sum(package.lines for package in report.packages)
        console.print(
            Text(
                f"{bundle}: {_count(passed, 'test')} passed, all {lines} lines of rules covered",
                "bold green",
            )
        )


def _cells(package: PackageReport, is_measured: bool) -> list[Text]:
    failed = package.count("failed", "error", "skipped")
    percent = package.percent if is_measured else None
    return [
        Text(package.package),
        Text(str(package.count("passed")), "red" if package.needs_tests else ""),
        Text(str(failed), "red" if failed else ""),
        Text(
            "-" if percent is None else f"{percent} %",
            "red" if percent is not None and package.uncovered else "",
        ),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"
