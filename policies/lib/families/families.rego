# METADATA
# title: Families
# description: |
#   A law or standard is a family: a table of data with a head `family` (docs/authoring-first-steps.md).
#   What the rules in rules/families/ share.
package lib.families

import data.lib.patterns
import data.lib.result
import data.lib.scope

# METADATA
# description: |
#   {family: {position: {row, …}}} over the lists `services` of the families that reach the sender.
# scope: rule
services := {name: found |
	some name in scope.families
	found := patterns.find(data.data[name].services)
}

# METADATA
# description: |
#   {position: {finding, …}} for the processes that hits ({family: {position: {row, …}}}) protect.
#   `level` is "hard", or "family" for the family's own. `chain` is rego.metadata.chain() of the rule.
# scope: document
protecting(hits, level, chain) := {position: found |
	some position in union({object.keys(by_position) | some by_position in hits})
	found := {finding |
		some name, by_position in hits
		some row in by_position[position]
		finding := result.of_family(_head(name), row, _obligations(name), chain, _level(level, name))
	}
}

# METADATA
# description: |
#   {finding, …} for one list (such as "masks") of the families that reach the sender, about every
#   process of the sender. `effect` is {family: {position in the list: {obligation, …}}}.
# scope: document
of_sender(effect, list, chain) := {finding |
	some name, by_index in effect
	some index, obligations in by_index
	row := data.data[name][list][index]
	object.get(row, "of", "sender") == "sender"
	finding := result.of_family(_head(name), row, obligations, chain, "advisory")
}

# METADATA
# description: |
#   {position: {finding, …}} likewise, about the processes that never_filter and services of the same
#   family match.
# scope: document
of_services(effect, list, chain) := {position: found |
	by_family := {name: findings |
		some name, by_index in effect
		findings := {finding |
			some index, obligations in by_index
			row := data.data[name][list][index]
			row.of == "services"
			finding := result.of_family(_head(name), row, obligations, chain, "advisory")
		}
		count(findings) > 0
	}
	some position in union({_concerned[name] | some name, _ in by_family})
	found := union({findings | some name, findings in by_family; position in _concerned[name]})
}

_concerned[name] := object.keys(object.get(patterns.hits, name, {})) | object.keys(object.get(services, name, {})) if {
	some name in scope.families
}

# A table of rows without a head protects all the same.
_head(name) := object.get(_heads, name, {})

_heads := {name: head | some name; head := data.data[name].family}

_obligations(name) := {{"type": kind} | some kind in object.get(_head(name), "obligations", [])}

_level("family", name) := object.get(_head(name), "level", "hard")

_level("hard", _) := "hard"
