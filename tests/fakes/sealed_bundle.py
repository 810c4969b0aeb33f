"""A small bundle with sealed data: one list for the floor, one that its policy reads."""

from gateway.bundles.folder import Bundle, parse_bundle
from gateway.sealed.age import AgeKeyService
from tests.fakes.bundles import bundle_files
from tests.fakes.sops import IDENTITY, seal_sops

KEYS = AgeKeyService([IDENTITY])
FLOOR_SECRET, RULE_SECRET = "zephyr-l?dger", "quartz-v?ult"
FLOOR_NAME, RULE_NAME = "zephyr-ledger-7", "quartz-vault-7"
SEALED = {
    "never_filter": [{"id": "row-1", "glob": f"{FLOOR_SECRET}-*", "reason": FLOOR_SECRET}],
    "watched": [f"{RULE_SECRET}-*"],
}
REGO = b"""\
package main

verdicts := [verdict |
	some proposal in input.proposals
	verdict := object.union(_answer(proposal), {
		"ref": proposal.ref,
		"reasons": [],
		"obligations": [],
	})
]

_answer(proposal) := {"decision": "protect", "action": "keep", "sample_permille": 1000} if {
	_is_watched(proposal.process["process.executable.name"])
} else := {
	"decision": "permit",
	"action": proposal.action,
	"sample_permille": proposal.sample_permille,
}

_is_watched(name) if {
	some pattern in data.sealed.pci.watched
	glob.match(pattern, null, name)
}
"""


def sealed_bundle() -> Bundle:
    """Sealed anew, so its revision is another one each time; `unseal(…, KEYS)` opens it."""
    return parse_bundle(bundle_files(REGO) | {"sealed/pci/data.sops.yaml": seal_sops(SEALED)})
