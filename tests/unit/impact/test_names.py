"""Names of losses: stable, bounded, and no process can take another's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.bundles.folder import read_bundle
from gateway.impact.names import (
    MAX_NAME_CHARACTERS,
    Frameworks,
    loss_name,
    process_label,
    process_name,
)
from gateway.wire.classes import ProcessClass, project
from tests.fakes.decisions import DECLARATION, SENDER


def named(name: str, **more: str) -> ProcessClass:
    attributes = {"process.executable.name": name, **more}
    return project(DECLARATION, SENDER, attributes, "drop")


def test_a_process_is_called_by_what_it_is_for() -> None:
    assert process_name(named("java")) == "java"
    assert process_name(named("java", **{"compliance.process.identity": "vault"})) == "vault"
    assert process_name(project(DECLARATION, SENDER, {}, "drop")) == "unnamed"


def test_an_odd_name_is_no_other_ones() -> None:
    assert process_label(named("card-vault.2")) == "card-vault.2@production/eu-west-1"
    forged = named("a@production/eu-west-1 PCI")
    assert process_label(forged) == "a%40production%2Feu-west-1%20PCI@production/eu-west-1"
    assert process_label(named("a%40b")) != process_label(named("a@b"))
    assert "\n" not in process_label(named("a\nb"))


def test_a_long_name_is_cut_and_still_its_own() -> None:
    one, other = (loss_name(named("x" * 900 + end), "C/1") for end in "ab")
    assert len(one) == MAX_NAME_CHARACTERS
    assert one != other


def test_a_framework_is_what_its_familys_controls_say_else_the_ids_beginning() -> None:
    family = {"family": {"title": "P"}, "controls": [{"id": "P/1", "framework": "PCI"}, "odd"]}
    data = {"data": {"pci": family, "odd": 1, "baseline": {"controls": {"no": "list"}}}}
    frameworks = Frameworks({"data": {}}, data, {}, {"data": []})
    assert frameworks.of("P/1") == "PCI"
    assert frameworks.of("SOX/404") == "SOX"


def test_every_control_of_the_library_has_its_framework() -> None:
    data = read_bundle(Path("policies")).data
    frameworks = Frameworks(data)
    known = {row["id"]: row["framework"] for row in controls_of(data)}
    assert {"PCI DSS 4.0.1", "NYDFS 500", "Baseline"} <= set(known.values())
    assert {control: frameworks.of(control) for control in known} == known


def controls_of(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tables = data["data"].values()
    return [row for table in tables if isinstance(table, dict) for row in table.get("controls", ())]
