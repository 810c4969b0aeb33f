# METADATA
# title: Verdicts
# description: |
#   The entry point. Asks every rule of data.rules once for the whole batch and answers one verdict
#   per proposal. A permit is explicit: it repeats what was proposed, and only when no rule protects.
package main

import data.lib.obligations
import data.lib.subject

# METADATA
# title: Verdicts
# description: One verdict per proposal that has a ref, as docs/formats.md section 6 says.
# entrypoint: true
verdicts := [verdict |
	some position, proposal in input.proposals
	verdict := object.union(
		{"ref": proposal.ref},
		_ruling(_summary(object.get(_found, position, set())), proposal),
	)
]

# Rules are asked for {position: {finding, …}}, so that a proposal which nothing concerns costs nothing.
_sources := [source |
	source := data.rules[_][_].findings
	count(source) > 0
]

_found := {position: found |
	some position in union({object.keys(source) | some source in _sources})
	found := {finding | some source in _sources; some finding in source[position]}
}

# What every proposal of this sender must meet.
_duties := {duty |
	duties := data.rules[_][_].duties
	some duty in duties
}

# A function of the findings alone: OPA remembers its answers, and a batch has few distinct ones.
_summary(found) := {
	"protecting": {reason.level | some reason in reasons} - {"advisory"},
	"least_permille": max({finding.sample_permille |
		some finding in all_of_it
		finding.reason.level != "advisory"
	} | {0}),
	"reasons": reasons,
	"obligations": obligations.merge({duty | some finding in all_of_it; some duty in finding.obligations}),
} if {
	all_of_it := found | _duties
	reasons := _ordered(array.concat(
		[reason | some reason in {finding.reason | some finding in all_of_it}],
		obligations.conflicts(all_of_it),
	))
}

# By level, then as they come: by control and message, conflicts last.
_ordered(reasons) := [reason |
	some rank in [0, 1, 2]
	some reason in reasons
	_rank(reason.level) == rank
]

_rank(level) := object.get({"soft": 1, "advisory": 2}, level, 0)

_ruling(summary, proposal) := {
	"decision": "permit",
	"action": proposal.action,
	"sample_permille": proposal.sample_permille,
	"reasons": summary.reasons,
	"obligations": summary.obligations,
	"ttl_seconds": _permit_ttl_seconds,
} if {
	count(summary.protecting) == 0
} else := {
	"decision": "protect",
	"action": "sample",
	"sample_permille": max({proposal.sample_permille, summary.least_permille}),
	"reasons": summary.reasons,
	"obligations": summary.obligations,
	"ttl_seconds": 300,
} if {
	_sampling_suffices(summary, proposal)
} else := {
	"decision": "protect",
	"action": "keep",
	"sample_permille": 1000,
	"reasons": summary.reasons,
	"obligations": summary.obligations,
	"ttl_seconds": 300,
}

# Soft findings leave a sample a sample, at the share they ask for; all else is kept.
_sampling_suffices(summary, proposal) if {
	summary.protecting == {"soft"}
	proposal.action == "sample"
	summary.least_permille < 1000
	not {"type": "no_sampling"} in summary.obligations
}

default _permit_ttl_seconds := 300

_permit_ttl_seconds := data.data.leases.permit_ttl_seconds[subject.tier]
