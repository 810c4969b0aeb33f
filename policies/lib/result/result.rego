# METADATA
# title: Results
# description: |
#   The one constructor of findings. A finding is {"reason", "row", "obligations",
#   "sample_permille"}; the reason is made of METADATA, or of a family's head, and the row of bundle
#   data that matched, whose id is `row`.
package lib.result

# METADATA
# description: |
#   {position: {finding, …}} for rows by position. Only the rows whose control the rule's METADATA
#   claims. `chain` is rego.metadata.chain() of the rule that calls.
# scope: document
findings(by_position, obligations, chain) := {position: found |
	controls := _custom(chain).controls
	some position, rows in by_position
	found := {finding(row, obligations, chain) |
		some row in rows
		row.control in controls
	}
	count(found) > 0
}

# METADATA
# description: |
#   One finding. Nothing here can be undefined: what METADATA or the row lack has a protective
#   default, so that a badly written rule protects more, not less.
# scope: document
finding(row, obligations, chain) := _finding(row, obligations, rule_name(chain), {
	"title": object.get(_annotations(chain), "title", "Untitled rule"),
	"level": object.get(_custom(chain), "level", "hard"),
	"remediation": object.get(_custom(chain), "remediation", ""),
})

# METADATA
# description: |
#   One finding of a rule that serves every family: title and remediation are the family's own
#   (`head`), unless the row brings a remediation. `rule` is the rule's name.
# scope: document
of_family(head, row, obligations, rule, level) := _finding(row, obligations, rule, {
	"title": object.get(head, "title", "Untitled family"),
	"level": level,
	"remediation": object.get(row, "remediation", object.get(head, "remediation", "")),
})

# METADATA
# description: The name of the rule that calls, such as rules.families.masks, of its rego.metadata.chain().
# scope: document
rule_name(chain) := concat(".", array.slice(chain[0].path, 0, count(chain[0].path) - 1))

_finding(row, obligations, rule, told) := {
	"reason": {
		"control": object.get(row, "control", "BASELINE/unnamed-control"),
		"rule": rule,
		"level": told.level,
		"message": sprintf("%s: %s (%s)", [
			told.title,
			object.get(row, "reason", "no reason given"),
			object.get(row, "id", "no id"),
		]),
		"remediation": told.remediation,
	},
	"row": object.get(row, "id", "no id"),
	"obligations": obligations,
	"sample_permille": object.get(row, "sample_permille", 1000),
}

_annotations(chain) := chain[1].annotations

_annotations(chain) := {} if not chain[1].annotations

_custom(chain) := object.get(_annotations(chain), "custom", {})
