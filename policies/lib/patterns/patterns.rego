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
#   {table: {position: {row, …}}} over every list `never_filter` of the bundle's data.
# scope: rule
hits := {table: _found(rows, _never_filter_sieves[table]) |
	some table, rows in _never_filter
}

# METADATA
# description: |
#   {table: {position: {row, …}}} over every list `services`, but those of families that do not reach
#   the sender.
# scope: rule
services := {table: _found(rows, _services_sieves[table]) |
	some table, rows in _services
}

# METADATA
# description: True when a row matches a name.
# scope: document
matches(row, name) if regex.match(row.regex, name)

matches(row, name) if glob.match(row.glob, null, name)

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

# {position: {row, …}} for the rows that match one of the names of a proposal. Two sieves come first:
# names that no row of any table can match, then names that no row of this one can.
_found(rows, sieve) := {position: matched |
	rows_by_name := {name: matching |
		some name in _sieved(sieve, _suspects)
		matching := {row | some row in rows; matches(row, name)}
		count(matching) > 0
	}
	count(rows_by_name) > 0
	matched_names := object.keys(rows_by_name)
	some position, own_names in _suspects_by_position
	matching_names := own_names & matched_names
	count(matching_names) > 0
	matched := union({rows_by_name[name] | some name in matching_names})
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

_never_filter := {table: rows | some table; rows := data.data[table].never_filter}

_services := {table: rows |
	some table in ({table | some table; data.data[table].services} - scope.idle)
	rows := data.data[table].services
}

_never_filter_sieves := {table: any_of_rows(rows) | some table, rows in _never_filter}

_services_sieves := {table: any_of_rows(rows) | some table, rows in _services}

_sieves := [sieve | some sieves in [_never_filter_sieves, _services_sieves]; some sieve in sieves]

_suspects := _sieved(
	{
		"regex": concat("|", [sieve.regex | some sieve in _sieves; sieve.regex != ""]),
		"prefixes": union({sieve.prefixes | some sieve in _sieves}),
	},
	names.all_names,
)

_suspects_by_position := {position: suspects |
	some position, own_names in names.by_position
	suspects := own_names & _suspects
	count(suspects) > 0
}
