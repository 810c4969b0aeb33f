"""The bundle's data: each file is as its schema says, and what it names exists."""

import copy
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema  # type: ignore[import-untyped]  # its stubs are not among our tools
import pytest
import re2
import yaml

from tests.unit.policies.bundle import POLICIES, parsed_module

DATA_FILES = sorted((POLICIES / "data").glob("*/data.yaml"))
RULES = sorted((POLICIES / "rules").rglob("rule.rego"))
SCENARIO_PATTERNS = {
    "pci": ["payment-gateway-*"],
    "gdpr": ["^customer-data-processor", "^gdpr-audit-service", "^data-retention-manager"],
    "hipaa": ["^patient-data-service", "^medical-records-api", "^prescription-processor"],
    "safety": ["^plc-controller", "^safety-monitor", "^edge-ml-processor"],
}
NAME_ATTRIBUTES = {
    "process.executable.name",
    "process.executable.path",
    "service.name",
    "compliance.process.identity",
    "k8s.container.name",
    "k8s.deployment.name",
    "k8s.pod.label.app",
}


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((POLICIES / "data" / name / "data.yaml").read_text())
    return document


def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((POLICIES / "schemas" / name / "schema.json").read_text())
    return schema


def rows_with_controls(value: object) -> list[dict[str, Any]]:
    """Every object, at any depth, that names a control."""
    if isinstance(value, dict):
        own = [value] if "control" in value else []
        return own + [row for part in value.values() for row in rows_with_controls(part)]
    if isinstance(value, list):
        return [row for part in value for row in rows_with_controls(part)]
    return []


def metadata_controls() -> dict[str, set[str]]:
    """The controls that each rule's METADATA claims."""
    controls = {}
    for path in RULES:
        (package,) = [
            entry for entry in parsed_module(path)["annotations"] if entry["scope"] == "package"
        ]
        controls[str(path.parent.relative_to(POLICIES / "rules"))] = set(
            package["custom"]["controls"]
        )
    return controls


@pytest.mark.parametrize("path", DATA_FILES, ids=lambda path: path.parent.name)
def test_data_is_as_its_schema_says(path: Path) -> None:
    schema = schema_of(path.parent.name)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(load(path.parent.name), schema, jsonschema.Draft202012Validator)


def test_schemas_and_data_files_come_in_pairs() -> None:
    schemas = {path.parent.name for path in (POLICIES / "schemas").rglob("*.json")}
    assert schemas == {path.parent.name for path in DATA_FILES}


def test_only_files_that_opa_reads_lie_under_data() -> None:
    files = [path.name for path in (POLICIES / "data").rglob("*") if path.is_file()]
    assert set(files) == {"data.yaml"}


@pytest.mark.parametrize("framework", ["pci", "hipaa", "gdpr", "sox", "safety"])
@pytest.mark.parametrize("lost", ["id", "control", "reason", "owner", "review_due", "pattern"])
def test_a_row_that_lacks_a_column_is_refused(framework: str, lost: str) -> None:
    data = copy.deepcopy(load(framework))
    row = data["never_filter"][0]
    for column in ("regex", "glob") if lost == "pattern" else (lost,):
        row.pop(column, None)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema_of(framework), jsonschema.Draft202012Validator)


@pytest.mark.parametrize("framework", sorted(SCENARIO_PATTERNS))
def test_every_pattern_of_the_scenarios_is_there(framework: str) -> None:
    rows = load(framework)["never_filter"]
    patterns = {row.get("regex", row.get("glob")) for row in rows}
    assert set(SCENARIO_PATTERNS[framework]) <= patterns


def test_every_regex_is_one_of_re2() -> None:
    lists = [load(path.parent.name) for path in DATA_FILES]
    patterns = [row["regex"] for data in lists for row in all_rows(data) if "regex" in row]
    assert len(patterns) > 30
    for pattern in patterns:
        re2.compile(pattern)


def all_rows(value: object) -> list[dict[str, Any]]:
    """Every object at any depth."""
    if isinstance(value, dict):
        return [value, *(row for part in value.values() for row in all_rows(part))]
    if isinstance(value, list):
        return [row for part in value for row in all_rows(part)]
    return []


def test_row_ids_are_unique() -> None:
    ids = [
        row["id"]
        for path in DATA_FILES
        for row in rows_with_controls(load(path.parent.name))
        if "id" in row
    ]
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.opa
def test_every_control_of_rules_and_rows_is_known() -> None:
    listed = [control["id"] for control in load("controls")["controls"]]
    assert len(listed) == len(set(listed))
    rows = [row for path in DATA_FILES for row in rows_with_controls(load(path.parent.name))]
    claimed = set().union(*metadata_controls().values())
    assert {row["control"] for row in rows} | claimed == set(listed)


@pytest.mark.opa
@pytest.mark.parametrize("framework", ["pci", "hipaa", "gdpr", "sox", "safety"])
def test_every_protecting_row_belongs_to_exactly_one_hard_rule(framework: str) -> None:
    protecting = {
        rule: controls
        for rule, controls in metadata_controls().items()
        if rule.startswith(f"{framework}/")
        and "patterns.hits" in (text := (POLICIES / "rules" / rule / "rule.rego").read_text())
        and "level: hard" in text
    }
    for row in load(framework)["never_filter"]:
        owners = [rule for rule, controls in protecting.items() if row["control"] in controls]
        assert len(owners) == 1, f"{row['id']}: {row['control']} is claimed by {owners}"


def test_class_declares_every_attribute_that_rules_read() -> None:
    declaration = load("class")
    assert set(declaration["attributes"]) >= NAME_ATTRIBUTES
    assert {name for names in load("names").values() for name in names} == NAME_ATTRIBUTES
    assert set(load("gdpr")["minimisation"]["attributes"]) <= set(declaration["attributes"])
    assert "compliance.process.identity_source" in declaration["attributes"]
    edges = declaration["score_edges"]
    assert edges == sorted(edges)
    assert edges[-1] == 1000
    assert load("baseline")["critical_score"]["at_least"] in edges


def test_windows_name_zones_that_exist_and_rules_name_windows_that_exist() -> None:
    windows = load("windows")["windows"]
    assert [ZoneInfo(window["zone"]).key for window in windows] == ["America/New_York"]
    assert load("trading")["window"] in {window["name"] for window in windows}
