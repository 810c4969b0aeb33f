"""The scenarios' configuration is read as written; what could drop too much is refused."""

from typing import Any

import pytest

from collector.classify import parse_classification, parse_overrides
from collector.errors import ConfigError
from gateway.wire.documents import load_yaml

SCENARIOS = """
process_classification:
  gdpr_critical:
    score: 1.0  # Never filter
    patterns:
      - "^customer-data-processor"
      - "^gdpr-audit-service"
  edge_optional:
    score: 0.1
    patterns:
      - "^update-agent"
      - "^log-shipper"
  phi_processing:
    score: 1.0
    patterns:
      - "^patient-data-service"
      - glob: "prescription-*"
    special_handling:
      - no_sampling: true
      - full_audit_trail: true
      - encrypted_storage: false
overrides:
  - process: "payment-gateway-*"
    force_collect: true
    reason: "PCI compliance"
  - process: "matchmaking-*"
    importance: 0.95
"""


def test_the_scenarios_are_read_as_written() -> None:
    document = load_yaml(SCENARIOS, "collector.yaml")
    rules = parse_classification(document["process_classification"], "process_classification")
    assert [(rule.name, rule.score) for rule in rules] == [
        ("gdpr_critical", 1.0),
        ("edge_optional", 0.1),
        ("phi_processing", 1.0),
    ]
    assert [(p.kind, p.text) for p in rules[2].patterns] == [
        ("regex", "^patient-data-service"),
        ("glob", "prescription-*"),
    ]
    assert rules[2].special_handling == {"no_sampling", "full_audit_trail"}
    overrides = parse_overrides(document["overrides"], "overrides")
    assert [(o.pattern.text, o.force_collect, o.importance, o.reason) for o in overrides] == [
        ("payment-gateway-*", True, None, "PCI compliance"),
        ("matchmaking-*", False, 0.95, ""),
    ]


def test_nothing_written_is_nothing() -> None:
    assert parse_classification(None, "p") == ()
    assert parse_overrides(None, "o") == ()


def one(**body: Any) -> dict[str, Any]:
    return {"c": {"score": 0.9, "patterns": ["^a"], **body}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "p: write a mapping"),
        ({"c": None}, "p.c: write a mapping"),
        (one(score=1.1), "p.c.score: write a number from 0 to 1"),
        (one(score=True), "p.c.score: write a number"),
        (one(score="0.5"), "p.c.score: write a number"),
        (one(score=float("nan")), "p.c.score: write a number"),
        ({"c": {"patterns": ["^a"]}}, "p.c.score: write a number"),
        (one(patterns=[]), "p.c.patterns: a class needs at least one pattern"),
        (one(patterns="^a"), "p.c.patterns: a class needs at least one pattern"),
        (one(patterns=["^a", "(secret"]), r"p.c.patterns\[1\]: the regex is not valid RE2"),
        (one(patterns=[{"glob": "a", "x": 1}]), r"p.c.patterns\[0\].x: not known here"),
        (one(patterns=[{}]), r"p.c.patterns\[0\]: write exactly one"),
        (one(patern=["^a"]), "p.c.patern: not known here"),
        (one(special_handling=["no_sampling"]), "p.c.special_handling: write rows"),
        (one(special_handling=[{"nosampling": True}]), "p.c.special_handling: write true or false"),
        (one(special_handling={"no_sampling": "yes"}), "p.c.special_handling: write true or false"),
        (one(score=0.49, patterns=["etcd"]), r"p.c.patterns\[0\]: a class that allows dropping"),
        (one(score=0.1, patterns=["^a|b"]), r"p.c.patterns\[0\]: a class that allows dropping"),
        (one(score=0.1, patterns=["^a*"]), r"p.c.patterns\[0\]: the pattern matches every name"),
        (
            one(score=0.1, patterns=[{"glob": "*"}]),
            r"patterns\[0\]: the pattern matches every name",
        ),
    ],
)
def test_a_bad_classification_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_classification(value, "p")
    assert "secret" not in str(caught.value)


def test_a_protective_class_may_match_in_the_middle_of_a_name() -> None:
    rules = parse_classification(one(score=0.5, patterns=["etcd"]), "p")
    assert rules[0].patterns[0].matches("my-etcd-check")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "o: overrides are a list"),
        (["x"], r"o\[0\]: write a mapping"),
        ([{"process": "a*"}], r"o\[0\]: the override changes nothing"),
        ([{"process": "a*", "force_collect": False}], r"o\[0\]: the override changes nothing"),
        ([{"force_collect": True}], r"o\[0\].process: the glob must be text"),
        ([{"process": "a", "force_collect": "yes"}], r"o\[0\].force_collect: write true or false"),
        ([{"process": "a", "importance": 2}], r"o\[0\].importance: write a number"),
        ([{"process": "a", "importance": None}], r"o\[0\].importance: write a number"),
        ([{"process": "a", "force_collect": True, "reason": 7}], r"o\[0\].reason: write text"),
        ([{"process": "a", "force_colect": True}], r"o\[0\].force_colect: not known here"),
        ([{"process": "*", "importance": 0.1}], r"o\[0\].process: the pattern matches every name"),
    ],
)
def test_a_bad_override_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_overrides(value, "o")
