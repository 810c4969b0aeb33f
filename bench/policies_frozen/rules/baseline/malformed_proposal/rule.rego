# METADATA
# title: Malformed proposals are kept
# description: What was not understood is not permitted.
# custom:
#   controls:
#     - BASELINE/malformed-proposal
#   level: hard
#   remediation: Send a proposal as docs/formats.md section 3 says.
package rules.baseline.malformed_proposal

import data.lib.result

findings := {position: {result.finding(data.data.baseline.malformed_proposal, set(), rego.metadata.chain())} |
	some position, proposal in input.proposals
	not _well_formed(proposal)
}

_well_formed(proposal) if {
	is_object(proposal.process)
	is_number(proposal.score)
	_consistent(proposal.action, proposal.sample_permille)
}

_consistent("drop", 0)

_consistent("keep", 1000)

_consistent("sample", permille) if {
	is_number(permille)
	permille > 0
	permille < 1000
}
