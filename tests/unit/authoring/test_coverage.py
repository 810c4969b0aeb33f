"""OPA's own tests with coverage, asked of the real OPA."""

import json
from pathlib import Path

import pytest

from gateway import policy_test_cli
from gateway.authoring.coverage import SuiteReport, run_tests
from gateway.errors import BundleError
from tests.fakes.bundles import real_opa
from tests.unit.authoring.small_bundle import (
    SYSTEMS,
    run_command,
    small_files,
    write_bundle,
)

pytestmark = pytest.mark.opa

TESTS = b"""\
package rules.a.b_test

import data.rules.a.b

test_one if b.findings == {1} with input as {"x": 1}

test_two if not b.other with input as {"y": 2, "z": 4}
"""
RULES = b"""\
package rules.a.b

findings := {1} if input.x == 1

other if {
	input.y == 2
	input.z == 3
}

unreached := 7
"""


def suite(tests: bytes | None = TESTS, rules: bytes = RULES, **more: bytes) -> dict[str, bytes]:
    """A bundle of one rule and its test."""
    files = {path: small_files()[path] for path in (".manifest", "capabilities.json")}
    files["data/class/data.yaml"] = small_files()["data/class/data.yaml"]
    files["rules/a/b/rule.rego"] = rules
    if tests is not None:
        files["rules/a/b/rule_test.rego"] = tests
    return {**files, **{name.replace("__", "/") + ".rego": text for name, text in more.items()}}


COVERED = {
    "tests": TESTS.replace(b'"z": 4', b'"z": 3').replace(b"not b.other", b"b.other"),
    "rules": RULES.replace(b"\nunreached := 7\n", b""),
}


def report_of(files: dict[str, bytes]) -> SuiteReport:
    return run_tests(files, real_opa())


def test_a_covered_suite_holds() -> None:
    report = report_of(suite(**COVERED))
    assert report.faults() == []
    (package,) = report.packages
    assert (package.package, package.count("passed"), package.percent) == ("rules/a/b", 2, 100)
    assert [case.place for case in package.cases] == [
        "rules/a/b/rule_test.rego:5",
        "rules/a/b/rule_test.rego:7",
    ]


def test_each_uncovered_line_is_named() -> None:
    report = report_of(suite())
    assert report.uncovered == [f"rules/a/b/rule.rego:{line}" for line in (5, 6, 7, 10)]
    assert report.packages[0].percent == 20
    assert report.faults()[0] == "rules/a/b/rule.rego:5: no test reaches this line"


def test_one_missed_line_of_many_is_not_rounded_away() -> None:
    many = b"".join(b"\nr%d := %d\n" % (number, number) for number in range(300))
    reached = b"; ".join(b"b.r%d == %d" % (number, number) for number in range(299))
    tests = COVERED["tests"] + b"\ntest_many if {\n\t" + reached + b"\n}\n"
    report = report_of(suite(tests, COVERED["rules"] + many))
    assert len(report.uncovered) == 1
    assert report.packages[0].percent == 99


def test_a_file_that_nothing_asks_counts_as_uncovered() -> None:
    report = report_of(suite(**COVERED, lib__x=b"package lib.x\n\nhelper := 1\n"))
    assert report.faults() == ["lib/x.rego:3: no test reaches this line"]


def test_a_rule_that_only_others_test_needs_a_test_of_its_own() -> None:
    beside = b"package rules.a.c\n\nfindings := 1\n"
    tests = COVERED["tests"] + b"\ntest_other_rule if data.rules.a.c.findings == 1\n"
    files = suite(tests, COVERED["rules"], rules__a__c__rule=beside)
    assert report_of(files).faults() == ["rules/a/c: no test stands beside its rules"]


def test_failed_and_skipped_tests_are_named_and_coverage_is_not_claimed() -> None:
    tests = TESTS.replace(b"== {1}", b"== {2}") + b"\ntodo_test_later if false\n"
    report = report_of(suite(tests))
    assert report.faults() == [
        "rules/a/b/rule_test.rego:5: test_one fails",
        "rules/a/b/rule_test.rego:9: todo_test_later is skipped (its name begins with todo_); "
        "finish or remove it",
        "coverage is not measured while tests fail",
    ]
    assert report.packages[0].uncovered == ()


def test_a_skipped_test_alone_is_a_fault() -> None:
    tests = COVERED["tests"] + b"\ntodo_test_later if false\n"
    (fault,) = report_of(suite(tests, COVERED["rules"])).faults()
    assert "todo_test_later is skipped" in fault


def test_an_empty_suite_is_a_fault() -> None:
    (fault,) = report_of(suite(None)).faults()
    assert "not one test" in fault


def test_what_does_not_compile_cannot_be_run() -> None:
    with pytest.raises(BundleError, match=r"rules/a/b/rule\.rego:1: rego_parse_error"):
        report_of(suite(rules=b"package x y\n"))


def test_a_denied_built_in_cannot_be_run() -> None:
    with pytest.raises(BundleError, match=r"time\.now_ns"):
        report_of(suite(rules=b"package rules.a.b\n\nfindings := time.now_ns()\n"))


@pytest.mark.parametrize(
    ("files", "status"),
    [(suite(**COVERED), 0), (suite(), 1), (suite(None), 1)],
    ids=["covered", "uncovered", "empty"],
)
def test_the_command_shows_a_table_of_80_columns(
    files: dict[str, bytes], status: int, tmp_path: Path
) -> None:
    folder = write_bundle(tmp_path / "b", files)
    result = run_command(policy_test_cli.test, folder, "--opa", real_opa())
    assert result.exit_code == status, result.output
    assert result.stdout.startswith("PACKAGE")
    assert max(len(line) for line in result.stdout.splitlines() if str(folder) not in line) <= 80


def test_the_command_says_the_same_to_machines(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", suite())
    result = run_command(policy_test_cli.test, folder, "--opa", real_opa(), "--json")
    value = json.loads(result.stdout)
    assert result.exit_code == 1
    assert value["holds"] is False
    (package,) = value["packages"]
    assert package["uncovered"][0] == f"{folder}/rules/a/b/rule.rego:5"
    assert {test["outcome"] for test in package["tests"]} == {"passed"}


def test_the_command_cannot_run_without_opa(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", suite())
    result = run_command(policy_test_cli.test, folder, "--opa", tmp_path / "nothing")
    assert isinstance(result.exception, BundleError)
    assert "name OPA with --opa" in str(result.exception)


def test_the_small_bundle_compiles_and_lacks_tests_beside_three_rules() -> None:
    assert SYSTEMS in small_files().values()
    missing = [fault for fault in report_of(small_files()).faults() if "stands beside" in fault]
    assert len(missing) == 3
