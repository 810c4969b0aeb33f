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

findings := {position: {result.finding(_row, set(), rego.metadata.chain())} |
	some position in (_nameless | _of_unknown_source)
}

_row := data.data.baseline.unknown_identity

_nameless := {position | some position, own_names in names.by_position; count(own_names - {""}) == 0}

_of_unknown_source := {position |
	sources := _row.sources
	some position, proposal in input.proposals
	proposal.process["compliance.process.identity_source"] in sources
}
