"""Findings as a SARIF 2.1.0 log, which code hosts show beside the lines.

Source: OASIS SARIF 2.1.0, sections 3.13 (sarifLog), 3.14 (run), 3.27 (result), 3.29
(physicalLocation). Paths begin with the bundle's folder as it was given, if that is relative, so
that they are those of a repository when the check runs at its root.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gateway.authoring.catalogue import LINTS
from gateway.authoring.finding import Finding, Place

VERSION = "2.1.0"
SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
TOOL = "gateway policy check"


def sarif_log(findings: Sequence[Finding], folder: Path) -> dict[str, Any]:
    """The log of one run over the bundle in `folder`."""
    names = list(LINTS)
    prefix = "" if folder.is_absolute() or str(folder) == "." else f"{folder.as_posix()}/"
    return {
        "version": VERSION,
        "$schema": SCHEMA,
        "runs": [
            {
                "tool": {"driver": {"name": TOOL, "rules": [_rule(name) for name in names]}},
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(finding, names.index(finding.rule), prefix) for finding in findings
                ],
            }
        ],
    }


def _rule(name: str) -> dict[str, Any]:
    level, sentence = LINTS[name]
    return {
        "id": name,
        "shortDescription": {"text": sentence},
        "defaultConfiguration": {"level": level},
    }


def _result(finding: Finding, index: int, prefix: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.level,
        "message": {"text": f"{finding.message}. To mend it: {finding.mend}."},
        "locations": [_location(finding.place, prefix)],
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": at, **_location(place, prefix)} for at, place in enumerate(finding.related, 1)
        ]
    return result


def _location(place: Place, prefix: str) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(prefix + place.file), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": place.line, "startColumn": place.column},
        }
    }
