"""OPA's own tests of a bundle with the coverage of its rules (`gateway policy test`).

OPA decides what a test is, whether it passes and which lines ran; here its reports are laid side by
side per package. A package is the folder that holds a rule and its test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.authoring.opa_program import OpaProgram, open_program
from gateway.bundles.folder import TEST_ENDING
from gateway.errors import BundleError

# The folders whose every line must run in some test.
COVERED_ROOTS = ("rules", "lib", "main", "validation")
# A rule without a test beside it is covered only by the luck of other tests.
TESTED_ROOTS = ("rules", "validation")
TEST_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Case:
    """One Rego test. `outcome` is passed, failed, error or skipped; `place` is `file:line`."""

    name: str
    place: str
    outcome: str


@dataclass(frozen=True, slots=True)
class PackageReport:
    """One folder of policies. `uncovered` are places `file:line`; `lines` counts the lines that
    OPA can tell apart, 0 in a folder of tests alone. `needs_tests`: it has rules and no test."""

    package: str
    cases: tuple[Case, ...]
    lines: int
    uncovered: tuple[str, ...]
    needs_tests: bool

    def count(self, *outcomes: str) -> int:
        """How many of its tests ended so."""
        return sum(case.outcome in outcomes for case in self.cases)

    @property
    def percent(self) -> int | None:
        """Covered lines in whole percent, rounded down so that 100 means all; None without any."""
        if not self.lines:
            return None
        return 100 * (self.lines - len(self.uncovered)) // self.lines


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """The whole suite. `is_measured` is False when tests fail: OPA then reports no coverage."""

    packages: tuple[PackageReport, ...]
    is_measured: bool

    @property
    def cases(self) -> list[Case]:
        """Every test, by package."""
        return [case for package in self.packages for case in package.cases]

    @property
    def uncovered(self) -> list[str]:
        """Every place that no test reaches."""
        return [place for package in self.packages for place in package.uncovered]

    def faults(self) -> list[str]:
        """Why the suite does not hold, one sentence each; empty when it holds."""
        cases = self.cases
        if not cases:
            return ["there is not one test; every rule needs a rule_test.rego beside it"]
        bad = [case for case in cases if case.outcome != "passed"]
        faults = [f"{case.place}: {case.name} {_ENDINGS[case.outcome]}" for case in bad]
        if not self.is_measured:
            return [*faults, "coverage is not measured while tests fail"]
        faults += [f"{place}: no test reaches this line" for place in self.uncovered]
        faults += [
            f"{package.package}: no test stands beside its rules"
            for package in self.packages
            if package.needs_tests
        ]
        return faults


_ENDINGS = {
    "failed": "fails",
    "error": "ends with an error",
    "skipped": "is skipped (its name begins with todo_); finish or remove it",
}


def run_tests(files: Mapping[str, bytes], opa: Path) -> SuiteReport:
    """Run every test of a bundle's files; raises BundleError when OPA cannot run them, in its own
    words. Takes seconds."""
    with open_program(opa, files, files) as program:
        results = _results(program)
        cases = [_case(result) for result in results]
        is_sound = all(case.outcome in ("passed", "skipped") for _, case in cases)
        covered = _coverage(program) if is_sound else None
    return SuiteReport(tuple(_packages(files, cases, covered)), covered is not None)


def _results(program: OpaProgram) -> list[dict[str, Any]]:
    answer = program.run(["test", "--bundle", "--format=json", "--timeout=10s", "."], TEST_SECONDS)
    results = answer.value()
    # Exit status 2 says that tests failed, which the results say better.
    if answer.status not in (0, 2) or not isinstance(results, list):
        raise BundleError(f"opa test: {answer.words()}")
    return results


def _coverage(program: OpaProgram) -> Mapping[str, Any]:
    answer = program.run(
        ["test", "--bundle", "--coverage", "--format=json", "--timeout=60s", "."], TEST_SECONDS
    )
    report = answer.value()
    if not isinstance(report, dict) or not isinstance(report.get("files"), dict):
        raise BundleError(f"opa test --coverage: {answer.words()}")
    files: dict[str, Any] = report["files"]
    return files


def _case(result: Mapping[str, Any]) -> tuple[str, Case]:
    """The test's file, and the test."""
    location = result.get("location", {})
    path, line = str(location.get("file", "")), location.get("row", 0)
    outcome = "passed"
    for member, word in (("error", "error"), ("fail", "failed"), ("skip", "skipped")):
        if result.get(member):
            outcome = word
            break
    return path, Case(str(result.get("name")), f"{path}:{line}", outcome)


def _packages(
    files: Mapping[str, bytes],
    cases: Sequence[tuple[str, Case]],
    covered: Mapping[str, Any] | None,
) -> list[PackageReport]:
    rules_by_folder: dict[str, list[str]] = {}
    folders = {_folder(path) for path, _ in cases}
    for path in files:
        if path.split("/")[0] in COVERED_ROOTS and _is_policy(path):
            rules_by_folder.setdefault(_folder(path), []).append(path)
    reports = []
    for folder in sorted(folders | rules_by_folder.keys()):
        own = sorted(
            (case for path, case in cases if _folder(path) == folder),
            key=lambda case: _place_key(case.place),
        )
        rules = sorted(rules_by_folder.get(folder, []))
        lines = [_lines(path, covered) for path in rules]
        reports.append(
            PackageReport(
                package=folder,
                cases=tuple(own),
                lines=sum(total for total, _ in lines),
                uncovered=tuple(place for _, places in lines for place in places),
                needs_tests=bool(rules) and not own and folder.split("/")[0] in TESTED_ROOTS,
            )
        )
    return reports


def _lines(path: str, covered: Mapping[str, Any] | None) -> tuple[int, list[str]]:
    """How many lines count in a file, and the places of those that no test reaches.

    A line of which only a part ran counts as not reached."""
    entry = (covered or {}).get(path)
    if not isinstance(entry, dict):
        return 0, []
    missed = _rows(entry.get("not_covered"))
    return len(missed | _rows(entry.get("covered"))), [f"{path}:{row}" for row in sorted(missed)]


def _rows(ranges: Any) -> set[int]:
    return {
        row
        for found in ranges or []
        for row in range(found["start"]["row"], found["end"]["row"] + 1)
    }


def _is_policy(path: str) -> bool:
    return path.endswith(".rego") and not path.endswith(TEST_ENDING)


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "."


def _place_key(place: str) -> tuple[str, int]:
    path, _, line = place.rpartition(":")
    return path, int(line)
