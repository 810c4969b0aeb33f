"""The page of controls: made of METADATA, data and tests, and current on disk."""

from pathlib import Path

import pytest

from gateway import policy_register_cli
from gateway.authoring.control_pages import read_python_tests, render_page
from gateway.authoring.data_rows import read_table
from gateway.authoring.rule_sources import read_rules
from gateway.errors import ConfigError
from tests.fakes.bundles import real_opa
from tests.unit.authoring.small_bundle import (
    ROOT,
    SYSTEMS_TEST,
    run_command,
    small_files,
    write_bundle,
)

pytestmark = pytest.mark.opa

TEST_MODULE = """\
NAMED = {"x": "PCI/1"}


def test_by_a_constant():
    assert NAMED


def test_by_itself():
    assert "BASE/score"


def test_of_another():
    assert "PCI/10"
"""


def page_of(files: dict[str, bytes], tests: dict[str, list[str]] | None = None) -> str:
    table = read_table(files)
    rules = read_rules(files, real_opa())
    return render_page(table, rules, tests or {}, Path("site/policies"), Path("site/docs"))


def section_of(page: str, control: str) -> str:
    return page.split(f"### {control}\n")[1].split("\n##")[0]


def test_a_control_has_rule_row_and_tests_with_links() -> None:
    section = section_of(page_of(small_files(), {"PCI/1": ["tests/test_x.py::test_y"]}), "PCI/1")
    assert "Card systems. Owner: payments. Review due: 2027-05-31." in section
    assert "[policies/data/controls/data.yaml:2](../policies/data/controls/data.yaml#L2)" in section
    assert "* Rule: pci systems (`rules.pci.systems`, hard), [policies/rules/pci/systems" in section
    assert "* Row: `pci-payments` of pci.never_filter, `regex ^payment-`, " in section
    assert "* Rego tests that name it: `test_protects`, `test_names_the_control`\n" in section
    assert "* Verified by: `tests/test_x.py::test_y`" in section


def test_what_is_lacking_is_said() -> None:
    section = section_of(page_of(small_files()), "GDPR/1")
    assert "* Rego tests of its rule: none" in section
    assert "no Python test names this control" in section
    files = small_files(rules__gdpr__deletion__rule=None)
    assert "* Rule: none stands for it" in section_of(page_of(files), "GDPR/1")


def test_tests_that_name_nothing_of_the_control_count_for_the_rule() -> None:
    silent = SYSTEMS_TEST.replace(b"pci-payments", b"x").replace(b"PCI/1", b"y")
    assert silent != SYSTEMS_TEST
    section = section_of(page_of(small_files(rules__pci__systems__rule_test=silent)), "PCI/1")
    assert "* Rego tests of its rule: 3, [policies/rules/pci/systems/rule_test.rego:1]" in section


def test_a_family_is_described_once_and_gives_its_services_their_level() -> None:
    files = small_files()
    files["data/law/data.yaml"] = b"""\
family: {title: Law, law: The Law of 2026, owner: o, review_due: "2027-01-01", level: soft,
  applies_to: {jurisdictions: [eu, uk]}, obligations: [encrypt]}
controls:
  - {id: LAW/1, title: One, framework: Law, owner: o, review_due: "2027-01-01"}
services:
  - {id: law-one, regex: "^law-", control: LAW/1, reason: r, owner: o, review_due: "2027-01-01"}
"""
    files["rules/families/services/rule.rego"] = (
        files["rules/pci/systems/rule.rego"]
        .replace(b"pci.systems", b"families.services")
        .replace(b"  controls:\n#     - PCI/1", b"  controls_of: [services]")
    )
    page = page_of(files)
    assert (
        "The Law of 2026. Reaches jurisdictions: eu, uk. Services are protected at level soft, "
        "with encrypt." in page
    )
    assert "(`rules.families.services`, soft)" in section_of(page, "LAW/1")
    # The row of another table has a rule that names its control.
    assert "(`rules.baseline.hours`, soft)" in section_of(page, "BASE/hours")


def test_the_same_input_gives_the_same_page() -> None:
    files = small_files()
    backwards = dict(reversed(files.items()))
    assert page_of(files) == page_of(backwards)


def test_python_tests_are_found_by_whole_ids(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    write_bundle(folder, {"a/test_a.py": TEST_MODULE.encode(), "b.py": b"PCI = 'PCI/1'\n"})
    (folder / "test_b.py").write_text("def helper():\n    return 'GDPR/1'\n")
    assert read_python_tests(folder, ["PCI/1", "BASE/score", "GDPR/1", "BASE/hours"]) == {
        "PCI/1": ["tests/a/test_a.py::test_by_a_constant"],
        "BASE/score": ["tests/a/test_a.py::test_by_itself"],
        "GDPR/1": ["tests/test_b.py"],
    }
    assert read_python_tests(tmp_path / "nowhere", ["PCI/1"]) == {}


def test_a_test_that_is_no_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("'PCI/1'\ndef (\n")
    with pytest.raises(ConfigError, match=r"test_a\.py:2: not Python"):
        read_python_tests(tmp_path, ["PCI/1"])


def test_a_stale_page_is_found_and_not_written(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "policies", small_files())
    out = tmp_path / "controls.md"
    command = (
        policy_register_cli.controls,
        *(folder, "--out", out, "--tests", tmp_path, "--opa", real_opa()),
    )
    assert run_command(*command, "--check").exit_code == 1  # it is not there
    assert not out.exists()
    assert run_command(*command).exit_code == 0
    assert run_command(*command, "--check").exit_code == 0
    out.write_text(out.read_text() + "\n")
    before = out.read_bytes()
    assert run_command(*command, "--check").exit_code == 1
    assert out.read_bytes() == before


def test_the_page_in_docs_is_current() -> None:
    result = run_command(
        policy_register_cli.controls,
        *(ROOT / "policies", "--out", ROOT / "docs" / "controls.md", "--tests", ROOT / "tests"),
        *("--opa", real_opa(), "--check"),
    )
    assert result.exit_code == 0, "write it anew with `gateway policy controls`"
