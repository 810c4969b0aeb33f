"""The SARIF log has the structure that SARIF 2.1.0 asks for."""

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are not among our tools

from gateway.authoring.catalogue import LINTS, found
from gateway.authoring.finding import Finding, Place
from gateway.authoring.sarif import sarif_log

# The parts of OASIS SARIF 2.1.0 that are used here, written from its text: what must be there
# (3.13, 3.14, 3.18, 3.19, 3.27, 3.28, 3.29, 3.30, 3.49), of which kind, and nothing misspelt.
LOCATION: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["physicalLocation"],
    "properties": {
        "id": {"type": "integer", "minimum": 0},
        "physicalLocation": {
            "type": "object",
            "additionalProperties": False,
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"uri": {"type": "string"}, "uriBaseId": {"type": "string"}},
                },
                "region": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "startLine": {"type": "integer", "minimum": 1},
                        "startColumn": {"type": "integer", "minimum": 1},
                    },
                },
            },
        },
    },
}
TEXT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}},
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RULE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "shortDescription": TEXT,
        "defaultConfiguration": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"level": LEVEL},
        },
    },
}
RESULT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["message"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "items": LOCATION},
        "relatedLocations": {"type": "array", "items": LOCATION, "uniqueItems": True},
    },
}
DRIVER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "rules": {"type": "array", "items": RULE, "uniqueItems": True},
    },
}
SARIF = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["tool"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["driver"],
                        "properties": {"driver": DRIVER},
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": RESULT},
                },
            },
        },
    },
}

FINDINGS = [
    found("owner", Place("data/pci/data.yaml", 7, 5), "owner is missing", "name the team"),
    found(
        "control-conflict",
        Place("data/a b/data.yaml", 2, 3),
        "two meanings",
        "rename one",
        (Place("data/c/data.yaml", 4, 9),),
    ),
    Finding("pattern-shadowed", "note", Place("data/x/data.yaml", 1, 1), "shadowed", "nothing"),
]


def log() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(json.dumps(sarif_log(FINDINGS, Path("policies"))))
    return value


def test_the_log_is_as_sarif_says() -> None:
    jsonschema.validate(log(), SARIF, jsonschema.Draft202012Validator)
    jsonschema.validate(sarif_log([], Path("policies")), SARIF, jsonschema.Draft202012Validator)


def test_each_result_names_its_rule_level_and_place() -> None:
    (run,) = log()["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(LINTS)
    for result, finding in zip(run["results"], FINDINGS, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.rule
        assert result["level"] == finding.level
        assert finding.message in result["message"]["text"]
        assert finding.mend in result["message"]["text"]
        (location,) = result["locations"]
        region = location["physicalLocation"]["region"]
        assert region == {"startLine": finding.line, "startColumn": finding.column}


def test_paths_are_those_of_a_repository_and_valid_uris() -> None:
    results = log()["runs"][0]["results"]
    uris = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results
    ]
    assert uris[0] == "policies/data/pci/data.yaml"
    assert uris[1] == "policies/data/a%20b/data.yaml"
    (related,) = results[1]["relatedLocations"]
    assert related["physicalLocation"]["artifactLocation"]["uri"] == "policies/data/c/data.yaml"
    absolute = sarif_log(FINDINGS, Path("/somewhere/policies"))["runs"][0]["results"][0]
    assert absolute["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == (
        "data/pci/data.yaml"
    )
