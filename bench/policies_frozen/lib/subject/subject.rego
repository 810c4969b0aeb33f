# METADATA
# title: Subject
# description: Who asks. What the certificate and the registry say of the collector.
package lib.subject

default region := ""

region := input.subject.region

default environment := ""

environment := input.subject.environment

default tier := ""

tier := input.subject.tier

# METADATA
# description: True when the sender is known in full; otherwise no duty can be computed.
# scope: rule
known if {
	some_text(region)
	some_text(environment)
	some_text(tier)
}

# METADATA
# description: True for text of at least one character.
# scope: document
some_text(value) if {
	is_string(value)
	value != ""
}

# METADATA
# description: |
#   True while a window of data.windows is active. Unknown windows count as active, which is the
#   more protective reading.
# scope: document
in_window(name) if name in _windows

in_window(_) if not is_array(_windows)

# `not f(input.x)` is undefined, not true, where input.x is (OPA issue 4743), hence the default.
_windows := object.get(input, ["context", "time", "windows"], null)
