"""A small bundle in the shape of the real one, so that these tests stand whatever the library says:
a hard rule over patterns, a soft one in a window, one over scores, and a duty of the sender."""

from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from gateway.bundles.folder import Bundle, parse_bundle

ROOT = Path(__file__).resolve().parents[3]
CAPABILITIES = (ROOT / "policies" / "capabilities.json").read_bytes()

MAIN = b"""\
# METADATA
# title: Verdicts
package main

verdicts := [verdict |
	some position, proposal in input.proposals
	own := {finding | finding := data.rules[_][_].findings[position][_]}
	found := own | {finding | finding := data.rules[_][_].duties[_]}
	duties := {duty | some finding in found; some duty in finding.obligations}
	verdict := object.union(_ruling(proposal, found), {
		"ref": proposal.ref,
		"reasons": [finding.reason | some finding in found],
		"obligations": [duty | some duty in duties],
	})
]

_ruling(proposal, found) := {"decision": "protect", "action": "keep", "sample_permille": 1000} if {
	some finding in found
	finding.reason.level != "advisory"
} else := {
	"decision": "permit",
	"action": proposal.action,
	"sample_permille": proposal.sample_permille,
}
"""

RULE = """\
# METADATA
# title: {title}
# description: Said of {title}.
# custom:
#   controls:
#     - {control}
#   level: {level}
#   remediation: Ask the owner.
package rules.{package}

{body}

_finding(row) := {{
	"reason": {{
		"control": row.control,
		"rule": "rules.{package}",
		"level": "{level}",
		"message": sprintf("{title}: %s (%s)", [row.reason, row.id]),
		"remediation": "Ask the owner.",
	}},
	"row": row.id,
	"obligations": {obligations},
	"sample_permille": 1000,
}}
"""

MATCHING = """\
findings := {{position: found |
	some position, proposal in input.proposals
	name := proposal.process["process.executable.name"]
	found := {{_finding(row) | some row in data.data.{table}; regex.match(row.regex, name)}}{more}
}}"""


def rule(package: str, control: str, level: str, body: str, obligations: str = "[]") -> bytes:
    title = package.replace(".", " ")
    return RULE.format(
        title=title,
        control=control,
        package=package,
        level=level,
        body=body,
        obligations=obligations,
    ).encode()


SYSTEMS = rule(
    "pci.systems",
    "PCI/1",
    "hard",
    MATCHING.format(table="pci.never_filter", more=""),
    '[{"type": "no_sampling"}, {"type": "retain_days", "at_least": 365}]',
)
HOURS = rule(
    "baseline.hours",
    "BASE/hours",
    "soft",
    MATCHING.format(
        table="trading.services", more='\n\t"trading-hours" in input.context.time.windows'
    ),
)
SCORE = rule(
    "baseline.score",
    "BASE/score",
    "hard",
    "findings := {position: {_finding(data.data.baseline.critical)} |\n"
    "\tsome position, proposal in input.proposals\n"
    "\tproposal.score >= data.data.baseline.critical.at_least\n}",
)
DUTY = rule(
    "gdpr.deletion",
    "GDPR/1",
    "advisory",
    'duties := {_finding(data.data.gdpr.deletion) | input.subject.region == "eu-west-1"}',
    '[{"type": "retain_days", "at_most": 30}]',
)
SYSTEMS_TEST = b"""\
package rules.pci.systems_test

import data.rules.pci.systems

_concerned := {"payment-1": "pci-payments"}

test_protects if {
	every name, _ in _concerned {
		systems.findings[0] with input as _asked(name)
	}
}

test_names_the_control if {
	some finding in systems.findings[0] with input as _asked("payment-1")
	finding.reason.control == "PCI/1"
}

test_leaves_others_alone if not systems.findings[0] with input as _asked_of_nobody

_asked(name) := {"proposals": [{"process": {"process.executable.name": name}}]}

_asked_of_nobody := {"proposals": []}
"""
DATA = {
    "data/class/data.yaml": b"""\
attributes: [process.executable.name, service.name, compliance.process.identity_source]
score_edges: [250, 500, 750, 900, 1000]
""",
    "data/controls/data.yaml": b"""\
controls:
  - {id: PCI/1, title: Card systems, framework: PCI, owner: payments, review_due: "2027-05-31"}
  - {id: BASE/score, title: Critical scores, framework: Base, owner: base, review_due: "2026-11-24"}
  - {id: BASE/hours, title: Trading hours, framework: Base, owner: base, review_due: "2027-05-31"}
  - {id: GDPR/1, title: Deletion, framework: GDPR, owner: privacy, review_due: "2027-05-31"}
""",
    "data/pci/data.yaml": b"""\
# Rows of PCI.
never_filter:
  - id: pci-payments
    regex: "^payment-"
    control: PCI/1
    reason: cards
    owner: payments
    review_due: "2026-11-25"
""",
    "data/trading/data.yaml": b"""\
services:
  - id: engine
    regex: "^trading-"
    control: BASE/hours
    reason: markets are open
    owner: traders
    review_due: "2027-05-31"
    sample_permille: 500
""",
    "data/baseline/data.yaml": b"""\
critical:
  id: base-critical
  control: BASE/score
  reason: critical
  owner: base
  review_due: "2025-01-01"
  at_least: 900
  parts:
    - {id: part, regex: "^p$"}
note:
  control: BASE/score
  message: said of scores
""",
    "data/gdpr/data.yaml": b"""\
deletion:
  id: gdpr-thirty
  control: GDPR/1
  reason: delete in time
  owner: privacy
  review_due: "2027-05-31"
""",
    "data/windows/data.yaml": b"""\
windows:
  - {name: trading-hours, zone: America/New_York, days: [mon, wed], from: "09:00", to: "18:00"}
""",
}


def small_files(**changed: bytes | None) -> dict[str, bytes]:
    """The bundle's files. A keyword `a__b` replaces the file `a/b.rego`, None removes it."""
    files = {
        ".manifest": b'{"roots": ["main", "rules", "data", "lib"], "metadata": {"version": 1}}',
        "capabilities.json": CAPABILITIES,
        "main/main.rego": MAIN,
        "rules/pci/systems/rule.rego": SYSTEMS,
        "rules/pci/systems/rule_test.rego": SYSTEMS_TEST,
        "rules/baseline/hours/rule.rego": HOURS,
        "rules/baseline/score/rule.rego": SCORE,
        "rules/gdpr/deletion/rule.rego": DUTY,
        **DATA,
    }
    for name, content in changed.items():
        path = name.replace("__", "/") + ".rego"
        files.pop(path, None)
        if content is not None:
            files[path] = content
    return files


def small_bundle(**changed: bytes | None) -> Bundle:
    return parse_bundle(small_files(**changed))


def write_bundle(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def run_command(command: object, *arguments: object) -> Result:
    """One command of the console script, as Typer runs it. A declared error is `exception`."""
    app = typer.Typer()
    app.command()(command)  # type: ignore[type-var]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
