package rules.baseline.truncated_name_test

import data.lib.fixtures_test as fixtures
import data.rules.baseline.truncated_name as rule

_process(source) := fixtures.drop({
	"process.executable.name": "process-exporte",
	"compliance.process.identity_source": source,
})

test_keeps_truncated_names if {
	found := rule.findings[0] with input as fixtures.asked([_process("truncated")])
	fixtures.controls(found) == {"BASELINE/truncated-name"}
}

test_leaves_near_misses_alone if {
	every source in ["executable", "truncate", "TRUNCATED", ""] {
		rule.findings == {} with input as fixtures.asked([_process(source)])
	}
}

test_leaves_others_alone if {
	process := fixtures.drop({"process.executable.name": "process-exporte"})
	rule.findings == {} with input as fixtures.asked([process])
}
