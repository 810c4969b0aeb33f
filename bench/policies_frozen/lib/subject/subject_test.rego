package lib.subject_test

import data.lib.subject

test_a_sender_is_known_by_three_words if {
	subject.known with input as {"subject": {"region": "r", "environment": "e", "tier": "t"}}
	not subject.known with input as {"subject": {"region": "r", "environment": "e"}}
	not subject.known with input as {}
}

test_windows_are_asked_by_name if {
	subject.in_window("a") with input as {"context": {"time": {"windows": ["a"]}}}
	not subject.in_window("a") with input as {"context": {"time": {"windows": ["b"]}}}
	subject.in_window("a") with input as {}
}
