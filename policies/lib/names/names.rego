# METADATA
# title: Names of processes
# description: |
#   The names of each proposal's process, computed once for the whole batch. Every name stands as it
#   was sent and lower-cased. An attribute that is not text names nothing.
package lib.names

# METADATA
# description: "{position: {name, …}} for every proposal."
# scope: rule
by_position := {position: names |
	some position, proposal in input.proposals
	names := executables[position] | {variant |
		some attribute in data.data.names.whole
		name := proposal.process[attribute]
		is_string(name)
		some variant in [name, lower(name)]
	}
}

# METADATA
# description: Every distinct name of the batch. Patterns are matched once per name.
# scope: rule
all_names := union({names | some names in by_position})

# METADATA
# description: |
#   {position: {name, …}} of the executables alone, by name and by the last segment of the path.
# scope: rule
executables := {position: names |
	some position, proposal in input.proposals
	names := {variant |
		some attribute in data.data.names.executable
		value := proposal.process[attribute]
		is_string(value)
		segments := split(value, "/")
		name := segments[count(segments) - 1]
		some variant in [name, lower(name)]
	}
}
