package lib.patterns_test

import data.lib.fixtures_test as fixtures
import data.lib.patterns

_rows := [
	{"id": "search", "regex": "vault$"},
	{"id": "prefix", "regex": "^payment-gateway-"},
	{"id": "glob", "glob": "pay*-eu?"},
	{"id": "any-glob", "glob": "*-ledger"},
	{"id": "set-glob", "glob": "[ab]-box"},
	{"id": "dotted", "glob": "org.bank.*"},
]

_ids(names) := {row.id |
	some row in patterns.hits.x[0] with input as fixtures.asked([fixtures.drop(names)])
		with data.data as {"x": {"never_filter": _rows}, "names": data.data.names}
}

test_regex_is_a_search if {
	_ids({"service.name": "card-vault"}) == {"search"}
	_ids({"service.name": "card-vaults"}) == set()
}

test_glob_matches_the_whole_name_across_dots if {
	_ids({"service.name": "org.bank.cards.api"}) == {"dotted"}
	_ids({"service.name": "xorg.bank.cards.api"}) == set()
	_ids({"service.name": "general-ledger"}) == {"any-glob"}
	_ids({"service.name": "general-ledger-2"}) == set()
	_ids({"service.name": "a-box"}) == {"set-glob"}
	_ids({"service.name": "c-box"}) == set()
}

test_several_rows_and_names_meet if {
	_ids({"service.name": "PAYMENT-GATEWAY-EU1", "process.executable.path": "/opt/card-vault"}) == {
		"search",
		"prefix",
		"glob",
	}
}

test_each_position_has_its_own_rows if {
	proposals := [fixtures.named("log-shipper"), fixtures.named("payment-gateway-eu"), fixtures.named("plc-controller")]
	hits := patterns.hits with input as fixtures.asked(proposals)
	object.keys(hits.pci) == {1}
	object.keys(hits.safety) == {2}
	hits.hipaa == {}
}

test_sieves_never_stop_what_a_row_matches if {
	names := {"card-vault", "payment-gateway-x", "pay-eu1", "x-ledger", "a-box", "org.bank.x"}
	every name in names {
		_ids({"service.name": name}) == {row.id | some row in _rows; _matches(row, name)}
		_ids({"service.name": name}) != set()
	}
}

test_many_names_meet_the_same_rows_as_few if {
	names := [sprintf(format, [number]) |
		some format in ["payment-gateway-%d", "trading-%d", "game-server-%d", "ledger-%d", "log-shipper-%d"]
		some number in numbers.range(1, 3)
	]
	many := patterns.hits with input as fixtures.asked([fixtures.named(name) | some name in names])
	every table in ["pci", "sox"] {
		{names[position]: rows | some position, rows in many[table]} == {name: rows |
			some name in names
			rows := patterns.hits[table][0] with input as fixtures.asked([fixtures.named(name)])
		}
		count(many[table]) == 3
	}
}

test_services_of_idle_families_are_left_out if {
	asked := fixtures.asked([fixtures.named("core-banking-x"), fixtures.named("game-server-7")])
	american := patterns.services with input as asked
	object.keys(american.ffiec) == {0}
	object.keys(american.importance) == {1}
	object.keys(american) & {"dora", "mas_trm"} == set()
}

test_a_table_without_rows_matches_nothing if {
	hits := patterns.hits with input as fixtures.asked([fixtures.named("payment-gateway-eu")])
		with data.data as {"x": {"never_filter": []}, "names": data.data.names}
	hits == {"x": {}}
}

test_every_pattern_of_the_data_compiles if {
	every list in ["never_filter", "services", "interpreters"] {
		every row in [row | walk(data.data, [path, rows]); path[count(path) - 1] == list; some row in rows] {
			_compiles(row)
		}
	}
}

_matches(row, name) if regex.match(row.regex, name)

_matches(row, name) if glob.match(row.glob, null, name)

_compiles(row) if regex.is_valid(row.regex)

_compiles(row) if is_boolean(glob.match(row.glob, null, "x"))
