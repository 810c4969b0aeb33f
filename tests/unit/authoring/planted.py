"""Small bundles with defects at known places.

`«rule»` in a text marks where a finding of that rule must stand; the mark itself is taken out.
"""

import functools
import json
import re
import subprocess
from collections.abc import Mapping
from datetime import date

from gateway.authoring.catalogue import LINTS
from gateway.authoring.check import check_files
from gateway.authoring.finding import Finding
from gateway.authoring.positions import Document, read_document
from gateway.authoring.traffic import Traffic
from tests.fakes.bundles import real_opa

TODAY = date(2026, 11, 25)
_MARK = re.compile("«([a-z-]+)»")
Planted = tuple[str, str, int, int]  # rule, file, line, column

MAIN = """\
# METADATA
# title: Verdicts
# description: One verdict per proposal.
package main

verdicts := [verdict |
	some position, proposal in input.proposals
	verdict := object.union({"ref": proposal.ref}, _ruling(position, proposal))
]

_ruling(position, proposal) := {
	"decision": "permit",
	"action": proposal.action,
	"sample_permille": proposal.sample_permille,
	"reasons": [],
	"obligations": [],
} if {
	not _kept(position)
} else := {
	"decision": "protect",
	"action": "keep",
	"sample_permille": 1000,
	"reasons": [],
	"obligations": [],
}

_kept(position) if data.rules[_][_].findings[position]
"""

RULE = """\
# METADATA
# title: Services are kept
# description: Whatever a row matches is kept.
# custom:
#   controls: [DEMO/1]
#   level: hard
#   remediation: Keep it.
package rules.demo.kept

findings[position] contains row if {
	some position, proposal in input.proposals
	name := proposal.process["process.executable.name"]
	some row in data.data.demo.never_filter
	regex.match(row.regex, name)
}
"""

RULE_TEST = """\
package rules.demo.kept_test

import data.rules.demo.kept

test_nothing_asked if kept.findings == {} with input as {"proposals": []}
"""

DATA = """\
never_filter:
  - {id: demo-ledger, regex: "^ledger-of-many-letters", control: DEMO/1, reason: it counts,
     owner: team, review_due: "2026-11-25"}
"""

CONTROLS = """\
controls:
  - {id: DEMO/1, title: Keep, framework: Demo, owner: team, review_due: "2027-05-31"}
"""

CLASS = """\
attributes: [process.executable.name, service.name, compliance.process.identity_source]
score_edges: [500, 1000]
"""

ANYTHING = '{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}\n'
MANIFEST = {"revision": "", "roots": ["main", "lib", "rules", "data"], "metadata": {"version": 1}}


@functools.cache
def capabilities() -> bytes:
    """OPA's full list of built-ins."""
    command = [str(real_opa()), "capabilities", "--current"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def good_files() -> dict[str, bytes]:
    """A bundle in which nothing is found."""
    texts = {
        ".manifest": json.dumps(MANIFEST),
        "main/main.rego": MAIN,
        "rules/demo/kept/rule.rego": RULE,
        "rules/demo/kept/rule_test.rego": RULE_TEST,
        "data/demo/data.yaml": DATA,
        "data/controls/data.yaml": CONTROLS,
        "data/class/data.yaml": CLASS,
        **{f"schemas/{name}/schema.json": ANYTHING for name in ("demo", "controls", "class")},
    }
    return {path: text.encode() for path, text in texts.items()} | {
        "capabilities.json": capabilities()
    }


def plant(texts: Mapping[str, str]) -> tuple[dict[str, bytes], set[Planted]]:
    """Files without their marks, and what the marks say."""
    files, expected = {}, set()
    for path, text in texts.items():
        while (mark := _MARK.search(text)) is not None:
            assert mark[1] in LINTS, mark[1]
            line = text.count("\n", 0, mark.start()) + 1
            column = mark.start() - (text.rfind("\n", 0, mark.start()) + 1) + 1
            expected.add((mark[1], path, line, column))
            text = text[: mark.start()] + text[mark.end() :]
        files[path] = text.encode()
    return files, expected


def planted_of(findings: list[Finding]) -> set[Planted]:
    """Findings as marks say them."""
    return {(one.rule, one.file, one.line, one.column) for one in findings}


def check(files: Mapping[str, bytes], traffic: Traffic | None = None) -> list[Finding]:
    """All findings over files of a bundle, on a fixed day."""
    return check_files(files, real_opa(), today=TODAY, traffic=traffic)


def document(text: str, file: str = "data/demo/data.yaml") -> Document:
    """One data file."""
    return read_document(file, text.encode())
