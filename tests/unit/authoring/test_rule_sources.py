"""Rules as they are written, read by the real OPA."""

import pytest

from gateway.authoring.data_rows import read_table
from gateway.authoring.rule_sources import RuleSource, read_rules, rules_of
from gateway.errors import BundleError
from tests.fakes.bundles import real_opa
from tests.unit.authoring.small_bundle import SYSTEMS, SYSTEMS_TEST, small_files

pytestmark = pytest.mark.opa


def systems_of(files: dict[str, bytes]) -> RuleSource:
    (found,) = [
        rule for rule in read_rules(files, real_opa()) if rule.package == "rules.pci.systems"
    ]
    return found


def test_a_rule_is_read_with_its_metadata_and_place() -> None:
    rule = systems_of(small_files())
    assert (rule.title, rule.level, rule.controls) == ("pci systems", "hard", ("PCI/1",))
    assert rule.is_rule
    lines = SYSTEMS.decode().splitlines()
    assert lines[rule.place.line - 1].startswith("findings := ")
    assert rule.at == f"rules/pci/systems/rule.rego:{rule.place.line}"


def test_a_test_mentions_what_the_definitions_it_uses_mention() -> None:
    tests = {test.name: test for test in systems_of(small_files()).tests}
    assert list(tests) == ["test_protects", "test_names_the_control", "test_leaves_others_alone"]
    assert tests["test_protects"].mentions("pci-payments")
    assert not tests["test_names_the_control"].mentions("pci-payments")
    assert tests["test_names_the_control"].mentions("PCI/1")
    assert not tests["test_names_the_control"].mentions("PCI")


def test_a_broken_test_does_not_hide_the_rules() -> None:
    files = small_files(rules__pci__systems__rule_test=SYSTEMS_TEST + b"\nbroken if {\n")
    assert systems_of(files).controls == ("PCI/1",)


def test_a_rule_that_does_not_parse_is_refused_in_the_words_of_opa() -> None:
    with pytest.raises(BundleError, match=r"rules/pci/systems/rule\.rego:1: rego_parse_error"):
        read_rules(small_files(rules__pci__systems__rule=b"package x y\n"), real_opa())


def test_rules_stand_for_what_they_name_else_for_their_lists() -> None:
    shared = SYSTEMS.replace(b"  controls:\n#     - PCI/1", b"  controls_of: [never_filter]")
    assert shared != SYSTEMS
    table = read_table(small_files())
    named = read_rules(small_files(), real_opa())
    by_list = read_rules(small_files(rules__pci__systems__rule=shared), real_opa())
    for rules in (named, by_list):
        found = rules_of("PCI/1", table.of_control("PCI/1"), rules)
        assert [rule.package for rule in found] == ["rules.pci.systems"]
        # What no METADATA names is behind the rules that read its rows.
        assert rules_of("none", table.of_control("PCI/1"), [rules[-1]]) == [rules[-1]]
        hours = rules_of("BASE/hours", table.of_control("BASE/hours"), rules)
        assert [rule.package for rule in hours] == ["rules.baseline.hours"]
