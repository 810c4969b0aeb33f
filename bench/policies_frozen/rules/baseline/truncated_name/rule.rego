# METADATA
# title: Processes with a truncated name are kept
# description: A name cut to 15 bytes may continue as a protected one.
# custom:
#   controls:
#     - BASELINE/truncated-name
#   level: hard
#   remediation: Let the collector read the path of the executable.
package rules.baseline.truncated_name

import data.lib.result

findings := {position: {result.finding(data.data.baseline.truncated_name, set(), rego.metadata.chain())} |
	some position, proposal in input.proposals
	proposal.process["compliance.process.identity_source"] == "truncated"
}
