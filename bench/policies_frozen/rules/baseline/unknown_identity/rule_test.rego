package rules.baseline.unknown_identity_test

import data.lib.fixtures_test as fixtures
import data.rules.baseline.unknown_identity as rule

_process(source) := fixtures.drop({
	"process.executable.name": "thing",
	"compliance.process.identity_source": source,
})

test_keeps_unknown if {
	every source in ["unknown", "interpreter"] {
		found := rule.findings[0] with input as fixtures.asked([_process(source)])
		fixtures.controls(found) == {"BASELINE/unknown-identity"}
	}
}

test_keeps_the_nameless if {
	every process in [{}, {"process.owner": "root"}, {"service.name": ""}, {"process.executable.path": "/opt/"}] {
		rule.findings[0] with input as fixtures.asked([fixtures.drop(process)])
	}
}

test_leaves_known_and_near_misses_alone if {
	every source in ["executable", "argv", "systemd", "cgroup", "label", "truncated", "unknown-ish"] {
		rule.findings == {} with input as fixtures.asked([_process(source)])
	}
}
