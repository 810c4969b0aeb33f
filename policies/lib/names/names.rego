# METADATA
# title: Names of processes
# description: The names of each proposal's process, computed once for the whole batch.
package lib.names

# METADATA
# description: |
#   {position: {name, …}} for every proposal, names as they were sent. An attribute that is not
#   text names nothing.
# scope: rule
by_position := {position: names |
	some position, proposal in input.proposals
	names := _whole(proposal) | _last_segments(proposal)
}

# METADATA
# description: Every distinct name of the batch; a fleet has few, so patterns are matched per name.
# scope: rule
all_names := union({names | some names in by_position})

# METADATA
# description: The names of the executable alone, its name and the last segment of its path.
# scope: document
executables(process) := {name |
	some attribute in data.data.names.executable
	name := process[attribute]
	is_string(name)
} | _last_segments({"process": process})

_whole(proposal) := {name |
	some attribute in data.data.names.whole
	name := proposal.process[attribute]
	is_string(name)
}

_last_segments(proposal) := {name |
	some attribute in data.data.names.last_segment
	path := proposal.process[attribute]
	is_string(path)
	segments := split(path, "/")
	name := segments[count(segments) - 1]
}
