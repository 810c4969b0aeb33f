"""The bundle root as the engine and its tools see it: it loads, is strict, formatted and tested."""

import json
from typing import Any

import pytest

from tests.unit.policies.bundle import POLICIES, parsed_module, run_opa

pytestmark = pytest.mark.opa

MODULES = sorted(POLICIES.rglob("*.rego"))
RULES = sorted((POLICIES / "rules").rglob("rule.rego"))
FORBIDDEN = {
    "http.send",
    "net.lookup_ip_addr",
    "opa.runtime",
    "rand.intn",
    "time.now_ns",
    "uuid.rfc4122",
    "crypto.x509.parse_and_verify_certificates",
    "io.jwt.decode_verify",
}


def names(path: str) -> set[str]:
    return {builtin["name"] for builtin in json.loads(path)["builtins"]}


def test_opa_check_is_clean() -> None:
    capabilities = str(POLICIES / "capabilities.json")
    run_opa("check", "--strict", "--capabilities", capabilities, str(POLICIES))
    run_opa("check", "--strict", "--capabilities", capabilities, "--bundle", str(POLICIES))


def test_opa_fmt_has_nothing_to_mend() -> None:
    assert run_opa("fmt", "--list", str(POLICIES)).strip() == ""


@pytest.mark.parametrize("flags", [[], ["--bundle"]], ids=["folder", "bundle"])
def test_opa_test_passes(flags: list[str]) -> None:
    answer = json.loads(run_opa("test", *flags, "--format=json", str(POLICIES)))
    assert len(answer) > 100
    assert [case["name"] for case in answer if case.get("fail") or case.get("error")] == []


def test_every_line_of_rego_is_covered() -> None:
    report = json.loads(run_opa("test", "--coverage", "--bundle", str(POLICIES)))
    uncovered = {
        name: entry["not_covered"]
        for name, entry in report["files"].items()
        if entry.get("not_covered")
    }
    assert uncovered == {}


def test_capabilities_hold_no_clock_randomness_network_or_runtime() -> None:
    text = (POLICIES / "capabilities.json").read_text()
    assert json.loads(text)["allow_net"] == []
    current = names(run_opa("capabilities", "--current"))
    assert current >= FORBIDDEN, "a forbidden built-in that OPA does not know guards nothing"
    assert names(text) < current
    assert names(text) & FORBIDDEN == set()
    assert [name for name in names(text) if name.startswith("io.jwt.")] == []


def test_a_rule_that_reads_the_clock_is_refused(tmp_path: Any) -> None:
    module = tmp_path / "clock.rego"
    module.write_text("package clock\n\nnow := time.now_ns()\n")
    capabilities = str(POLICIES / "capabilities.json")
    error = run_opa("check", "--capabilities", capabilities, str(module), fails=True)
    assert "undefined function time.now_ns" in error


def test_schemas_and_capabilities_are_no_data_of_the_bundle() -> None:
    answer = json.loads(run_opa("eval", "--bundle", str(POLICIES), "data"))
    data = answer["result"][0]["expressions"][0]["value"]
    assert set(data) - {"system"} == {"data", "lib", "main", "rules", "validation"}
    assert set(data["data"]) == {folder.name for folder in (POLICIES / "data").iterdir()}


def test_manifest_roots_are_the_folders_that_hold_policy() -> None:
    manifest = json.loads((POLICIES / ".manifest").read_text())
    assert sorted(manifest["roots"]) == ["data", "lib", "main", "rules", "validation"]
    assert isinstance(manifest["metadata"]["version"], int)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(POLICIES)))
def test_package_equals_path(path: Any) -> None:
    package = [term["value"] for term in parsed_module(path)["package"]["path"]][1:]
    folder = list(path.parent.relative_to(POLICIES).parts)
    if path.name.endswith("_test.rego"):
        # Tests of main and validation lie below them, because the manifest's roots end there.
        assert package in ([*folder[:-1], f"{folder[-1]}_test"], [*folder, f"{folder[-1]}_test"])
    else:
        assert package == folder


@pytest.mark.parametrize("path", RULES, ids=lambda path: str(path.relative_to(POLICIES)))
def test_every_rule_has_metadata_and_an_adjacent_test(path: Any) -> None:
    assert (path.parent / "rule_test.rego").is_file()
    annotations = parsed_module(path)["annotations"]
    (package,) = [entry for entry in annotations if entry["scope"] == "package"]
    assert package["title"]
    assert package["description"]
    assert package["custom"]["level"] in {"hard", "soft", "advisory"}
    # Rules that serve every family claim the controls of a list's rows instead of naming them.
    assert ("controls" in package["custom"]) is not ("controls_of" in package["custom"])
    assert package["custom"].get("controls") or package["custom"]["controls_of"] == [
        path.parent.name
    ]
    assert package["custom"]["remediation"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(POLICIES)))
def test_with_stands_in_tests_only(path: Any) -> None:
    if not path.name.endswith("_test.rego"):
        assert '"with"' not in json.dumps(parsed_module(path)["rules"])
