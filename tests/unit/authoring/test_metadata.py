"""METADATA and places of rules, each told where it is written."""

import pytest

from gateway.authoring.finding import Finding
from gateway.authoring.metadata import check_metadata, check_packages, check_rules
from gateway.authoring.modules import Module, compile_modules, parse_modules
from gateway.authoring.opa_program import open_program
from tests.fakes.bundles import real_opa
from tests.unit.authoring.planted import RULE, capabilities

pytestmark = pytest.mark.opa

PATH = "rules/demo/kept/rule.rego"


def parse(**texts: str) -> list[Module]:
    """Modules by path; `__` is a slash."""
    return parse_files({f"{name.replace('__', '/')}.rego": text for name, text in texts.items()})


def parse_files(texts: dict[str, str]) -> list[Module]:
    files = {path: text.encode() for path, text in texts.items()}
    with open_program(real_opa(), files, {"capabilities.json": capabilities()}) as opa:
        modules, problems = parse_modules(opa, files)
    assert problems == []
    return modules


def metadata(text: str) -> list[str]:
    (module,) = parse_files({PATH: text})
    return [f"{one.line}:{one.column} {one.message}" for one in check_metadata(module)[0]]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("# title: Services are kept\n", "", "2:3 title is missing"),
        ("Services are kept", "''", "2:3 title is missing"),
        ("# description: Whatever a row matches is kept.\n", "", "2:3 description is missing"),
        ("#   remediation: Keep it.\n", "", "5:5 custom.remediation is missing"),
        ("hard", "severe", "6:12 custom.level is of no known kind"),
        ("#   level: hard\n", "", "5:5 custom.level is missing"),
        ("[DEMO/1]", "[]", "5:5 custom.controls names no control"),
        ("[DEMO/1]", "DEMO/1", "5:15 custom.controls is no list of texts"),
        ("[DEMO/1]", "[1]", "5:15 custom.controls is no list of texts"),
    ],
)
def test_what_metadata_lack_is_told(old: str, new: str, found: str) -> None:
    assert old in RULE
    assert found in metadata(RULE.replace(old, new))


def test_metadata_that_are_complete_claim_controls_where_they_are_written() -> None:
    text = RULE.replace("[DEMO/1]", "\n#     - DEMO/1\n#     - DEMO/2")
    (module,) = parse_files({PATH: text})
    findings, claims, lists = check_metadata(module)
    assert findings == []
    assert [(claim.control, str(claim.place)) for claim in claims] == [
        ("DEMO/1", f"{PATH}:6:9"),
        ("DEMO/2", f"{PATH}:7:9"),
    ]
    assert lists == []


def test_rules_of_families_claim_lists() -> None:
    (module,) = parse_files({PATH: RULE.replace("controls: [DEMO/1]", "controls_of: [services]")})
    findings, claims, lists = check_metadata(module)
    assert (findings, claims) == ([], [])
    assert [(claim.name, str(claim.place)) for claim in lists] == [("services", f"{PATH}:5:19")]


def test_metadata_that_are_absent_are_told_at_the_package() -> None:
    assert metadata("package rules.demo.kept\n\nfindings := {}\n") == [
        "1:1 METADATA is missing above the package"
    ]
    assert metadata(
        "# METADATA\n# scope: rule\n# title: A\nfindings := {}\n".join(
            ["package rules.demo.kept\n\n", ""]
        )
    ) == ["1:1 METADATA is missing above the package"]


def messages(findings: list[Finding]) -> list[str]:
    return [f"{one.file}: {one.rule}: {one.mend}" for one in findings]


def test_packages_are_their_folders() -> None:
    good = parse(
        main__main="package main",
        main__main_test="package main.main_test",
        lib__fixtures__fixtures_test="package lib.fixtures_test",
        rules__a__b__rule_test="package rules.a.b_test",
        rules__a__b__rule="package rules.a.b",
    )
    assert check_packages(good) == []
    bad = parse(rules__a__b__rule="package rules.a.c", lib__x__x_test="package lib.y_test")
    assert messages(check_packages(bad)) == [
        "rules/a/b/rule.rego: package-path: write `package rules.a.b`, or move the file",
        "lib/x/x_test.rego: package-path: write `package lib.x_test`, or move the file",
    ]


def test_rules_give_results_where_main_looks_and_have_tests() -> None:
    test = "test_it if true"
    good = parse(
        rules__a__b__rule="package rules.a.b\n\nfindings := {}",
        rules__a__b__rule_test=f"package rules.a.b_test\n\n{test}",
        rules__a__c__rule="package rules.a.c\n\nduties contains x if x := 1",
        rules__a__c__other_test=f"package rules.a.c_test\n\n{test}",
        lib__free__free="package lib.free\n\nx := 1",
    )
    assert check_rules(good) == []
    bad = parse(
        rules__a__rule="package rules.a\n\nfindings := {}",
        rules__a__rule_test=f"package rules.a_test\n\n{test}",
        rules__a__b__rule="package rules.a.b\n\nfinding := {}",
        rules__a__b__rule_test=f"package rules.a.b_test\n\n{test}",
        rules__a__c__rule="package rules.a.c\n\nfindings := {}",
        rules__a__c__rule_test="package rules.a.c_test\n\nhelper if true",
        rules__a__d__e__rule="package rules.a.d.e\n\nfindings := {}",
        rules__a__d__e__rule_test=f"package rules.a.d.e_test\n\n{test}",
    )
    assert [(one.file, one.rule) for one in check_rules(bad)] == [
        ("rules/a/rule.rego", "rule-place"),
        ("rules/a/b/rule.rego", "rule-place"),
        ("rules/a/c/rule.rego", "rule-test"),
        ("rules/a/d/e/rule.rego", "rule-place"),
    ]


def test_all_errors_of_a_stage_of_the_compiler_are_told() -> None:
    lines = "".join(f"r{at} if {{\n\tx := 1\n}}\n\n" for at in range(15))
    files = {"main/main.rego": f"package main\n\n{lines}".encode()}
    with open_program(real_opa(), files, {"capabilities.json": capabilities()}) as opa:
        findings = compile_modules(opa)
    assert [(one.line, one.column) for one in findings] == [(4 + 4 * at, 2) for at in range(15)]


def test_a_denied_builtin_is_an_error_of_the_compiler() -> None:
    files = {"main/main.rego": b"package main\n\nr := time.now_ns()\n"}
    with open_program(real_opa(), files, {"capabilities.json": capabilities()}) as opa:
        (finding,) = compile_modules(opa)
    assert (str(finding.place), finding.message) == (
        "main/main.rego:3:6",
        "undefined function time.now_ns",
    )


def test_an_error_without_a_place_is_of_the_manifest() -> None:
    files = {
        ".manifest": b'{"roots": ["main"], "metadata": {"version": 1}}',
        "main/main.rego": b"package main\n\nr := 1\n",
        "lib/lib.rego": b"package lib\n\nr := 1\n",
    }
    with open_program(real_opa(), files, {"capabilities.json": capabilities()}) as opa:
        (finding,) = compile_modules(opa)
    assert str(finding.place) == ".manifest:1:1"
    assert finding.message.startswith("manifest roots [main] do not permit 'package lib'")
