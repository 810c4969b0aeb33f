"""Classification: the highest score wins, doubt scores higher, unknown purpose is collected."""

from typing import Any

import pytest

from collector.classify import Classifier, parse_classification, parse_overrides

CLASSES = {
    "phi": {
        "score": 1.0,
        "patterns": ["^patient-data-service", "^payment-gateway-europe$"],
        "special_handling": [{"no_sampling": True}],
    },
    "optional": {
        "score": 0.1,
        "patterns": ["^log-shipper", "^backup-service-a$", "^patient", {"glob": "payment-*"}],
    },
    "middle": {"score": 0.7, "patterns": ["shipper-important"]},
}
OVERRIDES = [
    {"process": "payroll-*", "force_collect": True, "reason": "SOX"},
    {"process": "chat-*", "importance": 0.3},
    {"process": "log-shipper-chief", "importance": 0.9},
]


def classifier() -> Classifier:
    return Classifier(parse_classification(CLASSES, "c"), parse_overrides(OVERRIDES, "o"))


def process(name: str, source: str = "executable", **more: str) -> dict[str, Any]:
    return {
        "process.executable.name": name,
        "compliance.process.identity": name,
        "compliance.process.identity_source": source,
        **more,
    }


@pytest.mark.parametrize(
    ("attributes", "class_name", "score"),
    [
        (process("patient-data-service"), "phi", 1.0),
        (process("Patient-Data-Service"), "phi", 1.0),
        (process("log-shipper-7"), "optional", 0.1),
        (process("my-log-shipper"), "unclassified", 0.5),
        (process("log-shipper-important"), "middle", 0.7),
        (process("chat-eu"), "override", 0.3),
        (process("log-shipper-chief"), "override", 0.9),
        (process("python3", "argv", **{"compliance.process.identity": "log-shipper"}),
         "optional", 0.1),
        (process("log-shipper", **{"service.name": "patient-data-service"}), "phi", 1.0),
        (process("x", **{"process.executable.path": "/opt/patient-data-service"}), "phi", 1.0),
        (process("x", **{"k8s.container.name": "patient-data-service"}), "phi", 1.0),
        (process("x", **{"k8s.deployment.name": "patient-data-service"}), "phi", 1.0),
        (process("x", **{"k8s.pod.label.app": "patient-data-service"}), "phi", 1.0),
        (process("x", **{"process.owner": "patient-data-service"}), "unclassified", 0.5),
    ],
)  # fmt: skip
def test_the_highest_score_of_any_name_wins(
    attributes: dict[str, Any], class_name: str, score: float
) -> None:
    found = classifier().classify(attributes)
    assert (found.class_name, found.score, found.force_collect) == (class_name, score, False)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("payment-gateway", 1.0),  # could be payment-gateway-europe
        ("payment-gatewax", 0.1),  # whatever follows, payment-* matches
        ("log-shipper-lon", 0.1),
        ("log-shipper-imp", 0.7),  # unanchored: shipper-important could follow in any name
        ("backup-service-", 0.7),
        ("unheard-of-thin", 0.7),
    ],
)
def test_a_cut_name_takes_the_highest_score_it_could_have(name: str, score: float) -> None:
    found = classifier().classify(process(name, "truncated"))
    anchored = Classifier(
        parse_classification({k: v for k, v in CLASSES.items() if k != "middle"}, "c")
    ).classify(process(name, "truncated"))
    assert found.score == max(score, 0.7)
    expected = {"log-shipper-imp": 0.1, "backup-service-": 0.5, "unheard-of-thin": 0.5}
    assert anchored.score == expected.get(name, score)


def test_a_name_of_fifteen_bytes_that_is_all_there_is_may_be_cut() -> None:
    found = classifier().classify({"process.executable.name": "payment-gateway"})
    assert found.score == 1.0


@pytest.mark.parametrize("source", ["interpreter", "unknown"])
def test_a_process_of_unknown_purpose_is_always_collected(source: str) -> None:
    found = classifier().classify(process("log-shipper", source))
    assert found.force_collect
    assert found.reason == "the process's purpose is not known"


def test_without_a_source_an_interpreter_s_name_tells_nothing() -> None:
    assert classifier().classify({"process.executable.name": "java"}).force_collect
    assert classifier().classify({}).force_collect
    named = {"process.executable.name": "java", "service.name": "log-shipper"}
    assert not classifier().classify(named).force_collect


def test_an_override_forces_and_gives_its_reason() -> None:
    found = classifier().classify(process("payroll-eu"))
    assert (found.force_collect, found.reason) == (True, "SOX")


def test_special_handling_of_every_matching_class_holds() -> None:
    assert classifier().classify(process("patient-data-service")).special_handling == {
        "no_sampling"
    }
    assert classifier().classify(process("log-shipper")).special_handling == frozenset()


def test_why_names_the_class_and_never_a_pattern() -> None:
    assert classifier().classify(process("log-shipper")).why == "class optional"


def test_values_that_are_no_text_are_no_names() -> None:
    found = classifier().classify(process("log-shipper", **{"service.name": 7}))  # type: ignore[arg-type]
    assert found.score == 0.1


def test_patterns_that_matched_nothing_are_reported() -> None:
    asked = classifier()
    asked.classify(process("patient-data-service"))
    asked.classify(process("patient-data-service"))
    assert "process_classification.phi.patterns[0]" not in asked.unmatched()
    assert "process_classification.optional.patterns[2]" not in asked.unmatched()
    assert asked.unmatched()[0] == "process_classification.phi.patterns[1]"
    assert "overrides[0].process" in asked.unmatched()
