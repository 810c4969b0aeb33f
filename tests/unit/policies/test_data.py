"""The bundle's data: each file is as its schema says, and what it names exists."""

import copy
import json
import re
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
    """A table's own schema, or the one that all families share."""
    folder = "family" if "family" in load(name) else name
    schema: dict[str, Any] = json.loads((POLICIES / "schemas" / folder / "schema.json").read_text())
    return schema


FAMILIES = [path.parent.name for path in DATA_FILES if "family" in load(path.parent.name)]
FULL = ["pci", "hipaa", "gdpr", "sox", "safety"]
LISTS = ["never_filter", "services", "retention", "residency", "masks", "handling"]


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
        rule = str(path.parent.relative_to(POLICIES / "rules"))
        controls[rule] = set(package["custom"].get("controls", ()))
    return controls


@pytest.mark.parametrize("path", DATA_FILES, ids=lambda path: path.parent.name)
def test_data_is_as_its_schema_says(path: Path) -> None:
    schema = schema_of(path.parent.name)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(load(path.parent.name), schema, jsonschema.Draft202012Validator)


def test_schemas_and_data_files_come_in_pairs() -> None:
    schemas = {path.parent.name for path in (POLICIES / "schemas").rglob("*.json")}
    tables = {path.parent.name for path in DATA_FILES}
    assert schemas == tables - set(FAMILIES) | {"family"}


def test_only_files_that_opa_reads_lie_under_data() -> None:
    files = [path.name for path in (POLICIES / "data").rglob("*") if path.is_file()]
    assert set(files) == {"data.yaml"}


@pytest.mark.parametrize("framework", FULL)
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
    assert len(patterns) > 200
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


def all_controls() -> dict[str, list[dict[str, Any]]]:
    """The rows of every list `controls`, by table."""
    return {
        path.parent.name: document["controls"]
        for path in DATA_FILES
        if "controls" in (document := load(path.parent.name))
    }


@pytest.mark.opa
def test_every_control_is_declared_once_and_used() -> None:
    listed = [control["id"] for controls in all_controls().values() for control in controls]
    assert len(listed) == len(set(listed))
    rows = [row for path in DATA_FILES for row in rows_with_controls(load(path.parent.name))]
    claimed = set().union(*metadata_controls().values())
    assert {row["control"] for row in rows} | claimed == set(listed)


def test_controls_stand_in_the_file_of_their_family() -> None:
    assert set(all_controls()) == {*FAMILIES, "baseline"}
    for table, controls in all_controls().items():
        assert {control["family"] for control in controls} == {table}


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_name_controls_of_their_own_family(family: str) -> None:
    document = load(family)
    own = {control["id"] for control in document["controls"]}
    rows = [row for name in LISTS for row in document.get(name, [])]
    assert rows
    assert {row["control"] for row in rows} <= own


def test_every_regional_service_of_the_library_has_a_case_in_rego() -> None:
    """Here and not in the bundle: an author's own family needs no Rego, not even a test's."""
    text = (POLICIES / "rules" / "families" / "services" / "rule_test.rego").read_text()
    cases = re.findall(r'^\t"([a-z0-9_]+)": \{"region"', text, re.MULTILINE)
    assert sorted(cases) == sorted(family for family in FAMILIES if load(family).get("services"))


@pytest.mark.parametrize("family", FAMILIES)
def test_only_laws_of_everywhere_join_the_floor(family: str) -> None:
    """never_filter protects for every sender; services of a regional law stand in `services`."""
    document = load(family)
    if family != "gdpr":  # the scenarios name its services never to be filtered, wherever they run
        assert ("never_filter" in document) == (document["family"]["applies_to"] == {})


@pytest.mark.parametrize("family", FAMILIES)
def test_patterns_are_anchored_and_lower_case(family: str) -> None:
    rows = [row for name in LISTS[:2] for row in load(family).get(name, [])]
    for pattern in [row["regex"] for row in rows if "regex" in row]:
        assert pattern.startswith("^"), pattern
        assert "|" not in pattern or "(" in pattern.split("|")[0], pattern
        assert pattern == pattern.lower(), pattern


def test_every_jurisdiction_has_a_place_and_every_region_a_known_one() -> None:
    regions = load("regions")
    sites = regions["sites"]
    assert {*regions["regions"].values(), *(s["place"] for s in sites)} <= set(regions["places"])
    assert not {site["region"] for site in sites} & set(regions["regions"])
    known = {name for jurisdictions in regions["places"].values() for name in jurisdictions}
    named = {
        name
        for family in FAMILIES
        for row in all_rows(load(family))
        for name in [
            *row.get("jurisdictions", ()),
            *row.get("applies_to", {}).get("jurisdictions", ()),
        ]
    }
    assert named <= known
    scenario = {"us-east-1", "eu-west-1", "ap-southeast-1", "eastus", "westeurope", "europe-west1"}
    assert scenario <= set(regions["regions"])


def test_residency_names_authorities_that_the_table_of_adequacy_knows() -> None:
    authorities = {row["authority"] for row in load("adequacy")["decisions"]}
    rows = [row for family in FAMILIES for row in load(family).get("residency", [])]
    assert {row["adequacy"] for row in rows if "adequacy" in row} == authorities


def test_every_customisation_has_an_owner_and_a_review_date() -> None:
    for path in DATA_FILES:
        for row in all_rows(load(path.parent.name)):
            if "control" in row and "id" in row:
                assert row["owner"], row
                assert row["review_due"], row


def test_class_declares_every_attribute_that_rules_read() -> None:
    declaration = load("class")
    assert set(declaration["attributes"]) >= NAME_ATTRIBUTES
    assert {name for names in load("names").values() for name in names} == NAME_ATTRIBUTES
    masked = {
        name
        for family in FAMILIES
        for row in load(family).get("masks", [])
        for name in row["attributes"]
    }
    assert masked <= set(declaration["attributes"])
    assert "compliance.process.identity_source" in declaration["attributes"]
    edges = declaration["score_edges"]
    assert edges == sorted(edges)
    assert edges[-1] == 1000
    assert load("baseline")["critical_score"]["at_least"] in edges


def test_windows_name_zones_that_exist_and_rules_name_windows_that_exist() -> None:
    windows = load("windows")["windows"]
    assert [ZoneInfo(window["zone"]).key for window in windows] == ["America/New_York"]
    assert load("trading")["window"] in {window["name"] for window in windows}
