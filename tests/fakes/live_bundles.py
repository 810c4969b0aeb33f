"""Small bundles for live gateways: what they keep is a list in their data, and they start fast."""

import json
from dataclasses import dataclass
from pathlib import Path

from gateway.bundles.build import sign_bundle
from gateway.bundles.folder import Bundle, parse_bundle, read_bundle
from gateway.bundles.keys import keyid_of, read_private_key
from gateway.demo.workplace import source_root
from gateway.wire.classes import EXECUTABLE_PATH, IDENTITY_SOURCE, NAME_ATTRIBUTES
from tests.fakes.live_gateway import LiveGateway

HARD, SOFT = "rules.hard", "rules.soft"
HARD_CONTROL, SOFT_CONTROL = "LIVE/hard", "LIVE/soft"
# Above the floor, so that a later version may take it away again: names that begin so are kept.
KEPT, SOFTLY_KEPT = ("vault-", "ledger-"), ("desk-",)

_RULE = """\
# METADATA
# title: Processes of the list `{level}` are kept
# custom:
#   controls: [{control}]
#   level: {level}
package rules.{level}

reasons(name) := [{{
	"control": "{control}",
	"rule": "rules.{level}",
	"level": "{level}",
	"message": sprintf("%s is on the list", [name]),
	"remediation": "none",
}}] if {{
	some beginning in data.data.kept.{level}
	startswith(name, beginning)
}} else := []
"""

_MAIN = """\
package main

import data.rules.hard
import data.rules.soft

verdicts := [object.union({"ref": proposal.ref}, _ruling(proposal, _reasons(proposal))) |
	some proposal in input.proposals
]

_reasons(proposal) := array.concat(hard.reasons(name), soft.reasons(name)) if {
	name := object.get(proposal.process, "process.executable.name", "")
}

_ruling(proposal, []) := {
	"decision": "permit",
	"action": proposal.action,
	"sample_permille": proposal.sample_permille,
	"reasons": [],
	"obligations": [],
} if {
	proposal.ref
}

_ruling(proposal, reasons) := {
	"decision": "protect",
	"action": "keep",
	"sample_permille": 1000,
	"reasons": reasons,
	"obligations": [],
} if {
	proposal.ref
	count(reasons) > 0
}
"""

_TEST = """\
package main.main_test

import data.main

test_every_proposal_is_answered if {
	proposal := {"ref": "0", "process": {}, "action": "drop", "sample_permille": 0}
	[verdict] := main.verdicts with input as {"proposals": [proposal]}
	verdict.decision == "permit"
}
"""


@dataclass(frozen=True, slots=True)
class Built:
    """A bundle and its signed archive."""

    bundle: Bundle
    archive: bytes


def small(
    gateway: LiveGateway,
    version: int,
    kept: tuple[str, ...] = KEPT,
    softly: tuple[str, ...] = SOFTLY_KEPT,
) -> Built:
    """The small bundle, signed with the key that the workplace's gateways know."""
    return built(gateway, parse_bundle(_files(version, kept, softly)))


def real(gateway: LiveGateway, version: int) -> Built:
    """The product's own policies as that version, signed."""
    bundle = read_bundle(source_root() / "policies")
    manifest = json.loads(bundle.files[".manifest"])
    manifest["metadata"]["version"] = version
    files = {**bundle.files, ".manifest": json.dumps(manifest).encode()}
    return built(gateway, parse_bundle(files))


def built(gateway: LiveGateway, bundle: Bundle) -> Built:
    """The bundle, signed with the workplace's key."""
    key = read_private_key(gateway.workplace.folder / "keys" / "bundle.key")
    return Built(bundle, sign_bundle(bundle, key, keyid_of(key.public_key())))


def begin_with(gateway: LiveGateway, made: Built) -> Built:
    """The bundle that the workplace's log is to begin with."""
    (gateway.workplace.folder / "bundle.tar.gz").write_bytes(made.archive)
    return made


def _files(version: int, kept: tuple[str, ...], softly: tuple[str, ...]) -> dict[str, bytes]:
    names = sorted({*NAME_ATTRIBUTES, EXECUTABLE_PATH, IDENTITY_SOURCE})
    data = {
        "class": {"attributes": names, "score_edges": [250, 500, 750, 900, 1000]},
        "kept": {"hard": list(kept), "soft": list(softly)},
    }
    roots = ["main", "rules", "data"]
    manifest = {"revision": "", "roots": roots, "metadata": {"version": version}}
    capabilities: Path = source_root() / "policies" / "capabilities.json"
    return {
        ".manifest": json.dumps(manifest).encode(),
        "capabilities.json": capabilities.read_bytes(),
        "data/data.json": json.dumps(data).encode(),
        "main/main.rego": _MAIN.encode(),
        "main/main_test.rego": _TEST.encode(),
        "rules/hard/hard.rego": _RULE.format(level="hard", control=HARD_CONTROL).encode(),
        "rules/soft/soft.rego": _RULE.format(level="soft", control=SOFT_CONTROL).encode(),
    }
