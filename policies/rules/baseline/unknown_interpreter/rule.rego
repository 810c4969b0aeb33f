# METADATA
# title: Interpreters of unknown purpose are kept
# description: An interpreter such as java or python3 identifies nothing; a patient service runs as java.
# custom:
#   controls:
#     - BASELINE/unknown-interpreter
#   level: hard
#   remediation: Give the process a systemd unit, a label or a main class, jar or module that names it.
package rules.baseline.unknown_interpreter

import data.lib.names
import data.lib.result
import data.lib.subject

findings := {position: {result.finding(_row, set(), rego.metadata.chain())} |
	some position, proposal in input.proposals
	some name in names.executables(proposal.process)
	name in _interpreters
	not _identified(proposal.process)
}

_row := data.data.baseline.unknown_interpreter

_interpreters := {name |
	some name in names.all_names
	some variant in {name, lower(name)}
	some row in _row.interpreters
	regex.match(row.regex, variant)
}

_identified(process) if {
	process["compliance.process.identity_source"] in _row.identified_by
	identity := process["compliance.process.identity"]
	subject.some_text(identity)
	not identity in _interpreters
}
