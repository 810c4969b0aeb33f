# METADATA
# title: Families
# description: |
#   A law or standard is a family: a table of data with a head `family` (docs/policies.md).
#   What the rules in rules/families/ share.
package lib.families

import data.lib.patterns
import data.lib.result
import data.lib.scope

# METADATA
# description: |
#   {family: {position: {row, …}}} over the lists `services` of the families that reach the sender.
# scope: rule
services := {name: found | some name, found in patterns.services; name in scope.families}

# METADATA
# description: |
#   {position: {finding, …}} for the processes that hits ({family: {position: {row, …}}}) protect.
#   `level` is "hard", or "family" for the family's own. `rule` is the name of the rule.
# scope: document
protecting(hits, level, rule) := {position: found |
	findings_by_row := {name: {row: finding |
		some row in union({rows | some rows in by_position})
		finding := result.of_family(_head(name), row, obligations, rule, _level(level, name))
	} |
		some name, by_position in hits
		obligations := {{"type": kind} | some kind in object.get(_head(name), "obligations", [])}
	}
	some position in union({object.keys(by_position) | some by_position in hits})
	found := {findings_by_row[name][row] |
		some name, by_position in hits
		some row in by_position[position]
	}
}

# METADATA
# description: |
#   {finding, …} about every process of the sender, for the rows of one list (such as "masks").
#   `effect` is {family: {row: {obligation, …}}}.
# scope: document
of_sender(effect, rule) := {finding |
	some name, obligations_by_row in effect
	some row, obligations in obligations_by_row
	object.get(row, "of", "sender") == "sender"
	finding := result.of_family(_head(name), row, obligations, rule, "advisory")
}

# METADATA
# description: |
#   {position: {finding, …}} likewise, about the processes that never_filter and services of the same
#   family match.
# scope: document
of_services(effect, rule) := {position: found |
	findings_by_family := {name: findings |
		some name, obligations_by_row in effect
		findings := {finding |
			some row, obligations in obligations_by_row
			row.of == "services"
			finding := result.of_family(_head(name), row, obligations, rule, "advisory")
		}
		count(findings) > 0
	}
	concerned := {name: _concerned(name) | some name, _ in findings_by_family}
	some position in union({positions | some positions in concerned})
	found := union({findings | some name, findings in findings_by_family; position in concerned[name]})
}

_concerned(name) := object.keys(object.get(patterns.hits, name, {})) | object.keys(object.get(services, name, {}))

# A table of rows without a head protects all the same.
_head(name) := data.data[name].family

_head(name) := {} if not data.data[name].family

_level("family", name) := object.get(_head(name), "level", "hard")

_level("hard", _) := "hard"
