# METADATA
# title: Processes of unknown identity are kept
# description: A process that nothing names may be a protected one.
# custom:
#   controls:
#     - BASELINE/unknown-identity
#   level: hard
#   remediation: Give the process a systemd unit, a label or a main class, jar or module that names it.
package rules.baseline.unknown_identity

import data.lib.names
import data.lib.result

findings := {position: {result.finding(data.data.baseline.unknown_identity, set(), rego.metadata.chain())} |
	some position, proposal in input.proposals
	_unknown(position, proposal)
}

_unknown(_, proposal) if {
	source := proposal.process["compliance.process.identity_source"]
	source in data.data.baseline.unknown_identity.sources
}

_unknown(position, _) if count(names.by_position[position] - {""}) == 0
