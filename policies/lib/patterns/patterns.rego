# METADATA
# title: Patterns
# description: |
#   Matches names against the rows of bundle data. A row's regex is an RE2 search, its glob must
#   match the whole name. Names are compared as they are and lower-cased.
package lib.patterns

import data.lib.names

# METADATA
# description: |
#   {framework: {position: {row, …}}} over every list `never_filter` of the bundle's data. One
#   union of all patterns sorts out the names that nothing protects; only the rest meets the rows.
# scope: rule
hits := {framework: find(rows, _suspects) |
	some framework
	rows := data.data[framework].never_filter
}

# METADATA
# description: "{position: {row, …}} for the rows that match one of the names of a proposal."
# scope: document
find(rows, candidates) := {position: matched |
	rows_by_name := {name: matching |
		some name in candidates
		matching := {row | some row in rows; matches(row, name)}
		count(matching) > 0
	}
	count(rows_by_name) > 0
	matched_names := object.keys(rows_by_name)
	some position, all_of_it in names.by_position
	matching_names := all_of_it & matched_names
	count(matching_names) > 0
	matched := union({rows_by_name[name] | some name in matching_names})
}

# METADATA
# description: True when a row matches a name, as it is or lower-cased.
# scope: document
matches(row, name) if regex.match(row.regex, name)

matches(row, name) if regex.match(row.regex, lower(name))

matches(row, name) if glob.match(row.glob, null, name)

matches(row, name) if glob.match(row.glob, null, lower(name))

_rows contains row if some row in data.data[_].never_filter

_any_regex := concat("|", [sprintf("(?:%s)", [row.regex]) | some row in _rows])

_globs := {row.glob | some row in _rows}

_suspects contains name if {
	some name in names.all_names
	_suspect(name)
}

_suspect(name) if regex.match(_any_regex, name)

_suspect(name) if regex.match(_any_regex, lower(name))

_suspect(name) if {
	some pattern in _globs
	glob.match(pattern, null, name)
}

_suspect(name) if {
	some pattern in _globs
	glob.match(pattern, null, lower(name))
}
