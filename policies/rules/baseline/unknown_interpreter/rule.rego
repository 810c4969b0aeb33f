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
import data.lib.patterns
import data.lib.result
import data.lib.subject

findings := {position: {result.finding(_row, set(), rego.metadata.chain())} |
	count(_interpreters) > 0
	some position, own_names in names.by_position
	count(own_names & _interpreters) > 0
	process := input.proposals[position].process
	count(names.of_executable(process) & _interpreters) > 0
	not _identified(process)
}

_row := data.data.baseline.unknown_interpreter

_any_interpreter := patterns.any_of_rows(_row.interpreters).regex

_interpreters := {name | some name in names.all_names; regex.match(_any_interpreter, name)}

_identified(process) if {
	process["compliance.process.identity_source"] in _row.identified_by
	identity := process["compliance.process.identity"]
	subject.some_text(identity)
	count({identity, lower(identity)} & _interpreters) == 0
}
