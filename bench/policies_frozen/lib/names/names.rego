# METADATA
# title: Names of processes
# description: |
#   The names of each proposal's process, computed once for the whole batch. Every name stands as it
#   was sent and lower-cased. An attribute that is not text names nothing.
package lib.names

# METADATA
# description: |
#   {position: {name, …}} for every proposal whose process is an object. OPA remembers the answers
#   of functions, so processes that carry the same names are read once.
# scope: rule
by_position := {position: _names(object.filter(proposal.process, _attributes)) |
	some position, proposal in input.proposals
	is_object(proposal.process)
}

# METADATA
# description: Every distinct name of the batch. Patterns are matched once per name.
# scope: rule
all_names := union({names | some names in by_position})

# METADATA
# description: The names of the executable alone, by its name and the last segment of its path.
# scope: document
of_executable(process) := {variant |
	some attribute in data.data.names.executable
	value := process[attribute]
	is_string(value)
	segments := split(value, "/")
	name := segments[count(segments) - 1]
	some variant in [name, lower(name)]
}

_attributes := {attribute | some list in data.data.names; some attribute in list}

_names(carriers) := of_executable(carriers) | {variant |
	some attribute in data.data.names.whole
	name := carriers[attribute]
	is_string(name)
	some variant in [name, lower(name)]
}
