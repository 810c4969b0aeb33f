# METADATA
# title: Patterns
# description: |
#   Matches names against the rows of bundle data. A row's regex is an RE2 search, its glob must
#   match the whole name. Names are compared as they are and lower-cased (lib.names).
package lib.patterns

import data.lib.names
import data.lib.scope

# METADATA
# description: |
#   {family: {position: {row, …}}} over every list `never_filter` of the bundle's data.
# scope: rule
hits := {name: find(rows) |
	some name
	rows := data.data[name].never_filter
}

# METADATA
# description: |
#   {position: {row, …}} for the rows that match one of the names of a proposal. Two sieves come
#   first: names that no row of any table can match, then names that no row of this one can.
# scope: document
find(rows) := {position: matched |
	rows_by_name := _rows_by_name(rows)
	count(rows_by_name) > 0
	matched_names := object.keys(rows_by_name)
	some position, own_names in _suspects_by_position
	matching_names := own_names & matched_names
	count(matching_names) > 0
	matched := union({rows_by_name[name] | some name in matching_names})
}

# METADATA
# description: True when a row matches a name.
# scope: document
matches(row, name) if regex.match(row.regex, name)

matches(row, name) if glob.match(row.glob, null, name)

_rows_by_name(rows) := {name: matching |
	some name in _suspects_of(rows)
	matching := {row | some row in rows; matches(row, name)}
	count(matching) > 0
}

# For a few names a sieve costs more than it spares.
_suspects_of(rows) := _sieved(any_of_rows(rows), _suspects) if count(_suspects) > 16

_suspects_of(_) := _suspects if count(_suspects) <= 16

# METADATA
# description: |
#   A sieve for rows, {"regex", "prefixes"}: what it lets pass may match, what it stops cannot. A
#   glob is known by the literal text before its first special character.
# scope: document
any_of_rows(rows) := {
	"regex": concat("|", [concat("", ["(?:", row.regex, ")"]) | some row in rows]),
	"prefixes": {prefix |
		some row in rows
		prefix := regex.split(`[*?\[\]{}\\]`, row.glob)[0]
	},
}

# Calls of functions would cost more than the matching, so the sieve takes all names at once.
_sieved(any_of, candidates) := {name |
	any_of.regex != ""
	regex_of_any := any_of.regex
	some name in candidates
	regex.match(regex_of_any, name)
} | {name |
	count(any_of.prefixes) > 0
	prefixes := any_of.prefixes
	some name in candidates
	strings.any_prefix_match(name, prefixes)
}

# Every list of rows with patterns that can protect for this sender.
_all_rows := array.concat(
	[row | some row in data.data[_].never_filter],
	[row |
		some name
		rows := data.data[name].services
		not name in scope.idle
		some row in rows
	],
)

_suspects := _sieved(any_of_rows(_all_rows), names.all_names)

_suspects_by_position := {position: suspects |
	some position, own_names in names.by_position
	suspects := own_names & _suspects
	count(suspects) > 0
}
