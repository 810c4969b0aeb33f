package lib.names_test

import data.lib.fixtures_test as fixtures
import data.lib.names

test_every_attribute_that_carries_a_name if {
	process := {
		"process.executable.name": "A",
		"process.executable.path": "/opt/x/B",
		"service.name": "c",
		"compliance.process.identity": "d",
		"k8s.container.name": "e",
		"k8s.deployment.name": "f",
		"k8s.pod.label.app": "g",
		"process.owner": "root",
	}
	expected := {"A", "a", "B", "b", "c", "d", "e", "f", "g"}
	names.by_position == {0: expected} with input as fixtures.asked([fixtures.drop(process)])
	names.of_executable(process) == {"A", "a", "B", "b"}
}

test_every_name_is_of_a_declared_attribute if {
	read := {attribute | some list in data.data.names; some attribute in list}
	count(read - {attribute | some attribute in data.data.class.attributes}) == 0
}

test_odd_processes_name_nothing_and_spoil_nothing if {
	proposals := ["text", 7, null, [], {}, fixtures.drop([]), fixtures.drop({"service.name": 7}), fixtures.named("x")]
	names.all_names == {"x"} with input as fixtures.asked(proposals)
}
