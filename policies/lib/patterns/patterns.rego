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
hits := _found.never_filter

# METADATA
# description: |
#   {table: {position: {row, …}}} over every list `services`, but those of families that do not reach
#   the sender.
# scope: rule
services := _found.services

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

# {list: {table: {position: {row, …}}}} for the rows that match one of the names of a proposal. Two
# sieves come first: names that no row of any table can match, then names that no row of this one can.
_found := {list: {table: by_position |
	some table, rows in tables
	rows_by_name := {name: matching |
		globs := [row | some row in rows; row.glob]
		some name in _sieved(_sieves[list][table], _suspects)
		matching := {row | some row in rows; regex.match(row.regex, name)} | {row |
			some row in globs
			glob.match(row.glob, null, name)
		}
		count(matching) > 0
	}
	matched_names := object.keys(rows_by_name)
	by_position := {position: matched |
		count(rows_by_name) > 0
		some position, own_names in _suspects_by_position
		matching_names := own_names & matched_names
		count(matching_names) > 0
		matched := union({rows_by_name[name] | some name in matching_names})
	}
} |
	some list, tables in _tables
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

_tables := {
	"never_filter": {table: rows | some table; rows := data.data[table].never_filter},
	"services": {table: rows |
		some table in ({table | some table; data.data[table].services[0].id != ""} - scope.idle)
		rows := data.data[table].services
	},
}

_sieves := {list: {table: any_of_rows(rows) | some table, rows in tables} | some list, tables in _tables}

_all_sieves := union({{sieve | some sieve in sieves} | some sieves in _sieves})

_regexes := {any_of.regex | some any_of in _all_sieves}

_prefixes := union({any_of.prefixes | some any_of in _all_sieves})

_suspects := _sieved({"regex": concat("|", _regexes - {""}), "prefixes": _prefixes}, names.all_names)

_suspects_by_position := {position: suspects |
	some position, own_names in names.by_position
	suspects := own_names & _suspects
	count(suspects) > 0
}
