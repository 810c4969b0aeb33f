package main.main_test

import data.lib.fixtures_test as fixtures
import data.lib.obligations

_changed(name, change) := object.union(fixtures.named(name), change)

_only(proposal) := verdict if {
	[verdict] := data.main.verdicts with input as fixtures.asked([proposal])
}

_in_trading_hours(proposal) := verdict if {
	asked := object.union(fixtures.asked([proposal]), {"context": {"time": {"windows": ["trading-hours"]}}})
	[verdict] := data.main.verdicts with input as asked
}

test_a_permit_repeats_what_was_proposed if {
	_only(fixtures.named("log-shipper")) == {
		"ref": "0",
		"decision": "permit",
		"action": "drop",
		"sample_permille": 0,
		"reasons": [],
		"obligations": [],
		"ttl_seconds": 300,
	}
	sampled := _only(_changed("log-shipper", {"action": "sample", "sample_permille": 70}))
	[sampled.decision, sampled.action, sampled.sample_permille] == ["permit", "sample", 70]
	kept := _only(_changed("log-shipper", {"action": "keep", "sample_permille": 1000}))
	[kept.decision, kept.action, kept.sample_permille] == ["permit", "keep", 1000]
}

test_hard_findings_are_kept if {
	every change in [{}, {"action": "sample", "sample_permille": 999}] {
		verdict := _only(_changed("payment-gateway-eu", change))
		[verdict.decision, verdict.action, verdict.sample_permille] == ["protect", "keep", 1000]
	}
}

test_reasons_and_obligations_of_a_cardholder_system if {
	verdict := _only(fixtures.named("payment-gateway-eu"))
	[reason.control | some reason in verdict.reasons] == ["PCI-DSS-4.0.1/10.2.1", "PCI-DSS-4.0.1/10.5.1"]
	[reason.rule | some reason in verdict.reasons] == ["rules.families.never_filter", "rules.families.retention"]
	verdict.obligations == [
		{"type": "full_audit"},
		{"type": "no_sampling"},
		{"type": "retain_days", "at_least": 366, "at_hand": 92},
	]
}

test_soft_findings_raise_a_sample if {
	low := {"action": "sample", "sample_permille": 10}
	verdict := _in_trading_hours(_changed("trading-engine", low))
	[verdict.decision, verdict.action, verdict.sample_permille] == ["protect", "sample", 500]
	high := {"action": "sample", "sample_permille": 800}
	_in_trading_hours(_changed("trading-engine", high)).sample_permille == 800
}

test_soft_findings_keep_what_was_to_be_dropped if {
	_in_trading_hours(fixtures.named("trading-engine")).action == "keep"
}

test_hard_findings_win_over_soft_ones if {
	change := {"action": "sample", "sample_permille": 10, "score": 1000}
	_in_trading_hours(_changed("trading-engine", change)).action == "keep"
}

test_advice_permits if {
	verdict := _only(fixtures.named("game-server-7"))
	verdict.decision == "permit"
	[reason.level | some reason in verdict.reasons] == ["advisory"]
}

test_duties_are_attached_to_permits if {
	subject := object.union(fixtures.sender, {"region": "eu-west-1"})
	[verdict] := data.main.verdicts with input as fixtures.asked_from(subject, [fixtures.named("log-shipper")])
	verdict.decision == "permit"
	[duty.type | some duty in verdict.obligations] == ["allowed_regions", "mask", "retain_days"]
	verdict.obligations[2] == {"type": "retain_days", "at_most": 30}
}

test_evidence_wins_over_privacy_and_says_so if {
	subject := object.union(fixtures.sender, {"region": "eu-west-1"})
	[verdict] := data.main.verdicts with input as fixtures.asked_from(subject, [fixtures.named("payment-gateway-eu")])
	some duty in verdict.obligations
	duty == {"type": "retain_days", "at_least": 366, "at_hand": 92}
	conflict := verdict.reasons[count(verdict.reasons) - 1]
	conflict.control == "BASELINE/retention-conflict"
	endswith(conflict.message, "PCI-DSS-4.0.1/10.5.1 (pci-twelve-months) asks for at least 366 days, GDPR/Art.5(1)(e) (gdpr-thirty-days) for at most 30")
}

test_permits_live_as_long_as_the_tier_allows if {
	every tier, seconds in {"edge": 86400, "regional": 3600, "central": 300, "unlisted": 300} {
		subject := object.union(fixtures.sender, {"tier": tier})
		permitted := data.main.verdicts with input as fixtures.asked_from(subject, [fixtures.named("log-shipper")])
		permitted[0].ttl_seconds == seconds
		protected := data.main.verdicts with input as fixtures.asked_from(subject, [fixtures.named("plc-controller")])
		protected[0].ttl_seconds == 300
	}
}

test_senders_that_are_unknown_drop_nothing if {
	[verdict] := data.main.verdicts with input as fixtures.asked_from({}, [fixtures.named("log-shipper")])
	verdict.action == "keep"
}

test_odd_proposals_are_kept_and_spoil_nothing if {
	odd := [
		_changed("log-shipper", {"ref": "1", "action": "delete"}),
		object.remove(_changed("log-shipper", {"ref": "2"}), ["action"]),
		_changed("log-shipper", {"ref": "3", "process": 7}),
		_changed("log-shipper", {"ref": "4", "score": null}),
		object.remove(_changed("log-shipper", {"ref": "5"}), ["sample_permille"]),
		object.remove(fixtures.named("log-shipper"), ["ref"]),
		"text",
		null,
	]
	verdicts := data.main.verdicts with input as fixtures.asked(array.concat(odd, [fixtures.named("log-shipper")]))
	{verdict.ref: verdict.action | some verdict in verdicts} == {
		"0": "drop",
		"1": "keep",
		"2": "keep",
		"3": "keep",
		"4": "keep",
		"5": "keep",
	}
	count(verdicts) == 6
}

test_a_batch_equals_its_singles if {
	names := ["log-shipper", "payment-gateway-eu", "patient-data-service", "java", "game-server-1", "x.plc-controller"]
	proposals := [_changed(name, {"ref": name}) | some name in names]
	batch := data.main.verdicts with input as fixtures.asked(proposals)
	batch == [verdict |
		some proposal in proposals
		[verdict] := data.main.verdicts with input as fixtures.asked([proposal])
	]
}

test_every_control_is_known if {
	known := {control.id | some table in data.data; some control in table.controls}
	named := {value.control | walk(data.data, [_, value])}
	count(named - known) == 0
}

# Each condition stands alone, though today's rules seldom meet one without the others.
test_a_sample_suffices_for_soft_findings_alone if {
	sample := {"action": "sample", "sample_permille": 10}
	soft := {"protecting": {"soft"}, "least_permille": 500, "obligations": []}
	data.main._sampling_suffices(soft, sample)
	not data.main._sampling_suffices(soft, {"action": "drop", "sample_permille": 0})
	not data.main._sampling_suffices(object.union(soft, {"protecting": {"soft", "hard"}}), sample)
	not data.main._sampling_suffices(object.union(soft, {"protecting": {"stern"}}), sample)
	not data.main._sampling_suffices(object.union(soft, {"least_permille": 1000}), sample)
	not data.main._sampling_suffices(object.union(soft, {"obligations": [{"type": "no_sampling"}]}), sample)
}

# Two laws that want telemetry in different places: nothing may leave, so nothing may be dropped unseen.
test_where_no_region_is_allowed_the_process_is_kept if {
	india := object.union(data.data.rbi, {"residency": [object.union(data.data.rbi.residency[0], {"of": "sender"})]})
	torn := object.union(data.data, {
		"rbi": object.union(india, {"family": {"applies_to": {"jurisdictions": ["eea"]}}}),
	})
	subject := object.union(fixtures.sender, {"region": "eu-west-1"})
	asked := fixtures.asked_from(subject, [fixtures.named("log-shipper")])
	[verdict] := data.main.verdicts with input as asked with data.data as torn
	[verdict.decision, verdict.action] == ["protect", "keep"]
	{"type": "allowed_regions", "regions": []} in verdict.obligations
	conflict := verdict.reasons[0]
	[conflict.control, conflict.level] == ["BASELINE/residency-conflict", "hard"]
	endswith(conflict.message, "GDPR/Art.44 (gdpr-eea-residency) and RBI/Payment-Data-Storage-2018 (rbi-stays-in-india)")
}

test_no_region_is_torn_today if {
	count(_torn) == 0
	count(data.data.regions.regions) > 130
}

# One region a place says it for all of them.
_torn := {place |
	some place, regions in {place: {region | some region, at in data.data.regions.regions; at == place} |
		some place in object.keys(data.data.regions.places)
	}
	subject := object.union(fixtures.sender, {"region": min(regions)})
	duties := data.rules.families.residency.duties with input as fixtures.asked_from(subject, [])
	count(obligations.conflicts(duties)) > 0
}

test_reasons_come_by_level_then_control if {
	subject := object.union(fixtures.sender, {"region": "eu-west-1"})
	[verdict] := data.main.verdicts with input as fixtures.asked_from(subject, [fixtures.named("gdpr-audit-service")])
	levels := [reason.level | some reason in verdict.reasons]
	levels == array.concat(["hard"], [level | some level in levels; level == "advisory"])
	controls := [reason.control | some reason in verdict.reasons; reason.level == "advisory"]
	controls == sort(controls)
}
