package rules.families.handling_test

import data.lib.fixtures_test as fixtures
import data.rules.families.handling as rule

_from(environment) := fixtures.asked_from(object.union(fixtures.sender, {"environment": environment}), [])

test_obliges if {
	duties := rule.duties with input as _from("production-phi")
	fixtures.controls(duties) == {"HIPAA/164.312(a)(2)(iv)"}
	{duty.type | some finding in duties; some duty in finding.obligations} == {"full_audit", "encrypt"}
	{finding.reason.level | some finding in duties} == {"advisory"}
}

test_leaves_near_misses_alone if {
	every environment in ["production-non-phi", "xproduction-phi", "PRODUCTION-PHI"] {
		rule.duties == set() with input as _from(environment)
	}
}

test_leaves_others_alone if rule.duties == set() with input as _from("development")
