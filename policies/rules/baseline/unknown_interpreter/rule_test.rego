package rules.baseline.unknown_interpreter_test

import data.lib.fixtures_test as fixtures
import data.rules.baseline.unknown_interpreter as rule

_process(name, attributes) := fixtures.drop(object.union({"process.executable.name": name}, attributes))

_of(source, identity) := {
	"compliance.process.identity": identity,
	"compliance.process.identity_source": source,
}

_interpreters := ["java", "python3", "python3.11", "node", "ruby", "perl", "php-fpm", "bash", "JAVA", "Rscript"]

test_keeps_interpreters_without_source if {
	every name in _interpreters {
		found := rule.findings[0] with input as fixtures.asked([_process(name, {})])
		fixtures.controls(found) == {"BASELINE/unknown-interpreter"}
	}
}

test_keeps_interpreters_of_sources_that_tell_nothing if {
	every source in ["interpreter", "unknown", "executable", "truncated", "news"] {
		rule.findings[0] with input as fixtures.asked([_process("java", _of(source, "log-shipper"))])
	}
}

test_keeps_interpreters_by_path if {
	process := {"process.executable.path": "/usr/lib/jvm/bin/java", "process.executable.name": "renamed"}
	rule.findings[0] with input as fixtures.asked([fixtures.drop(process)])
}

test_keeps_interpreters_without_identity if {
	source := {"compliance.process.identity_source": "argv"}
	rule.findings[0] with input as fixtures.asked([_process("java", source)])
	rule.findings[0] with input as fixtures.asked([_process("java", _of("argv", ""))])
}

test_keeps_interpreters_named_by_interpreters if {
	rule.findings[0] with input as fixtures.asked([_process("python3", _of("argv", "python3"))])
	rule.findings[0] with input as fixtures.asked([_process("java", _of("argv", "JAVA"))])
}

test_leaves_identified_interpreters_alone if {
	every source in ["argv", "systemd", "cgroup", "label"] {
		rule.findings == {} with input as fixtures.asked([_process("java", _of(source, "log-shipper"))])
	}
}

test_leaves_near_misses_alone if {
	every name in ["javascriptd", "node_exporter", "pythonic", "perlish", "bashful", "xjava", "log-shipper"] {
		rule.findings == {} with input as fixtures.asked([_process(name, {})])
	}
}

test_leaves_services_that_only_call_themselves_so_alone if {
	process := _process("log-shipper", {"service.name": "java"})
	rule.findings == {} with input as fixtures.asked([process])
}
