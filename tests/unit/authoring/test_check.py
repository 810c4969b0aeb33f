"""Each lint finds the defect that was planted, at its line and column, and nothing else."""

import pytest

from gateway.authoring.catalogue import LINTS
from tests.unit.authoring import planted
from tests.unit.authoring.planted import MAIN, check, good_files, plant, planted_of

pytestmark = pytest.mark.opa

DUE = 'owner: team, review_due: "2027-05-31"'
ROW = f"{DUE}, control: DEMO/1"

DATA = {
    "data/demo/data.yaml": f"""\
never_filter:
  - {{id: past-cut-but-floor, regex: "^a-name-of-more-than-fifteen", {ROW}}}
  - {{id: both, regex: "^a", glob: «pattern-uncompilable»"a", {ROW}}}
  - {{id: broken, regex: «pattern-uncompilable»"^(", {ROW}}}
  - {{id: empty, regex: «pattern-empty»"b^a", {ROW}}}
  - {{id: braces, glob: «pattern-read-differently»"{{x,y}}", {ROW}}}
  - {{id: wide, glob: "pay-*", {ROW}}}
  - {{id: narrow, regex: «pattern-shadowed»"^pay-(in|out)", {ROW}}}
  - {{id: «row-duplicate»wide, glob: "c-*", {ROW}}}
  - {{id: stranger, glob: "d-*", {DUE}, control: «control-unknown»NO/1}}
services:
  - {{id: long, regex: "^a-name-of-sixteen$", {ROW}}}
  - «owner»{{id: ownerless, glob: "e-*", review_due: "2027-05-31", control: DEMO/1}}
  - «review-due»{{id: undated, glob: "f-*", owner: team, control: DEMO/1}}
  - {{id: misdated, glob: "g-*", owner: t, control: DEMO/1, review_due: «review-due»"2027-02-30"}}
  - {{id: late, glob: "h-*", owner: t, control: DEMO/1, review_due: «review-overdue»"2026-11-24"}}
  - {{id: dead, glob: "i-*", {DUE}, control: «row-unclaimed»DEMO/2}}
exceptions:
  - {{id: four, regex: "^j$", {DUE}, control: «row-unclaimed»DEMO/4}}
  - {{id: middle, regex: «pattern-unanchored»«pattern-contradictory»"tmp", {ROW}}}
  - {{id: open, regex: «pattern-open-ended»"^scratch", {ROW}}}
  - {{id: all, glob: «pattern-matches-all»«pattern-contradictory»"*", {ROW}}}
  - {{id: opposite, regex: «pattern-shadowed»«pattern-contradictory»"^PAY-out$", {ROW}}}
retention:
  - {{id: years, retain_days: {{at_least: 365}}, {ROW}}}
  - {{id: month, retain_days: «retention-contradictory»{{at_most: 30}}, {ROW}}}
""",
    "data/controls/data.yaml": f"""\
controls:
  - {{id: DEMO/1, title: Keep, framework: Demo, {DUE}}}
  - {{id: DEMO/2, title: Dead, framework: Demo, {DUE}}}
  - {{id: «control-unclaimed»DEMO/3, title: Idle, framework: Demo, {DUE}}}
  - {{id: DEMO/4, title: Nearly Three, framework: Demo, {DUE}}}
""",
    "data/controls/more/data.yaml": f"""\
controls:
  - {{id: «control-duplicate»DEMO/1, title: Keep, framework: Demo, {DUE}}}
  - {{id: «control-conflict»DEMO/2, title: Other, framework: Demo, {DUE}}}
  - {{id: «control-conflict»«control-unclaimed»demo-4, title: Reads alike, framework: Demo, {DUE}}}
""",
    "data/fam/data.yaml": f"""\
family: {{}}
controls:
  - {{id: FAM/1, title: F, framework: F, family: «control-family»other, {DUE}}}
services:
  - {{id: fam, glob: "fam-*", {DUE}, control: «row-unclaimed»FAM/1}}
deep:
  never_filter:
    - «floor-row»{{id: deep, glob: "deep-*", {DUE}, control: «row-unclaimed»FAM/1}}
""",
    "schemas/family/schema.json": "{}",
    "data/octal/data.yaml": "a: 1\nmode: «data-read-differently»0777\nextra: 1\n",
    "schemas/octal/schema.json": """\
{"type": "object", "additionalProperties": false,
 "properties": {"a": {"type": "integer"}, "mode": {"type": "integer"}, "extra": {}}}
""",
    "data/typed/data.yaml": "«data-schema»names: {}\n«data-schema»odd: 1\n",
    "schemas/typed/schema.json": """\
{"type": "object", "required": ["rows"], "additionalProperties": false,
 "properties": {"rows": {}, "names": {"type": "object"}}}
""",
}

RULES = {
    "lib/odd/odd.rego": """\
# METADATA
# description: A library in a package of another name.
«package-path»package lib.other

import data.lib.alias

# METADATA
# description: The name is read by an alias of the function's parameter.
label(process) := object.get(process, "service.name", «undeclared-read»process["k8s.cluster.uid"])

any_of(process) := {value | some key; value := «dynamic-read»process[key]; alias.known(key)}
""",
    "lib/alias/alias.rego": """\
package lib.alias

known(key) if {
	key in data.data.demo.names
}

unused(x) if {
	«compile»y := x
}
""",
    "rules/demo/sparse/rule.rego": """\
# METADATA
# title: A rule
# custom:
#   controls: [«control-unknown»DEMO/9]
#   level: «metadata»severe
«rule-test»package rules.demo.sparse

import data.lib.other

findings[position] contains label if {
	some position
	process := input.proposals[position].process
	label := other.label(process)
	count(other.any_of(process)) > 0
	«undeclared-read»input.subject.id != ""
	«undeclared-read»input.context.time.now > 0
}
""",
    "rules/demo/sparse/readme.md": "",
    "rules/demo/bare/rule.rego": "«metadata»«rule-place»package rules.demo.bare\n\nx := 1\n",
    "rules/demo/bare/rule_test.rego": """\
package rules.demo.bare_test

import data.rules.demo.bare

test_x if bare.x == 1
""",
    "rules/shallow/rule.rego": planted.RULE.replace(
        "package rules.demo.kept", "«rule-place»package rules.shallow"
    ),
    "rules/shallow/rule_test.rego": "package rules.shallow_test\n\ntest_x if true\n",
}

BROKEN = {
    ".manifest": '{"roots": ["main"], "metadata": {"version": 0}}',
    "main/main.rego": "package main\n\nverdicts := [\n",
    "data/demo/data.yaml": "rows: 1\nrows: 2\n",
    "data/json/data.json": '{"a": 1,\n "b": }\n',
    "data/left/rows.yml": "rows: []\n",
    "data/data.yaml": "controls: {controls: []}\n",
    "data/tabled/data.yaml": "a: 1\n",
    "data/bad/data.yaml": "a: 1\n",
    "schemas/bad/schema.json": '{"type": "object",\n "minProperties": "one"}\n',
    "schemas/worse/schema.json": "{",
}


@pytest.fixture(scope="module")
def broken() -> set[planted.Planted]:
    files = good_files() | {path: text.encode() for path, text in BROKEN.items()}
    del files["capabilities.json"]
    return planted_of(check(files))


def test_nothing_is_found_in_a_good_bundle() -> None:
    assert check(good_files()) == []


def test_defects_of_data_are_found_where_they_stand() -> None:
    files, expected = plant(DATA)
    assert planted_of(check(good_files() | files)) == expected


def test_defects_of_rules_are_found_where_they_stand() -> None:
    files, expected = plant(RULES)
    expected |= {
        # Absent texts are told where the METADATA begin.
        ("metadata", "rules/demo/sparse/rule.rego", 2, 3),
        ("metadata", "rules/demo/sparse/rule.rego", 4, 5),
    }
    assert planted_of(check(good_files() | files)) == expected


@pytest.mark.parametrize(
    "expected",
    [
        ("manifest", ".manifest", 1, 1),
        ("capabilities", "capabilities.json", 1, 1),
        ("compile", "main/main.rego", 4, 1),
        ("data-unreadable", "data/demo/data.yaml", 2, 1),
        ("data-unreadable", "data/json/data.json", 2, 7),
        ("data-left-out", "data/left/rows.yml", 1, 1),
        ("data-collision", "data/data.yaml", 1, 1),
        ("schema-missing", "data/tabled/data.yaml", 1, 1),
        ("schema-invalid", "schemas/bad/schema.json", 2, 19),
        ("schema-invalid", "schemas/worse/schema.json", 1, 2),
    ],
    ids=lambda one: one[0],
)
def test_what_cannot_be_read_is_told_and_hides_nothing(
    broken: set[planted.Planted], expected: planted.Planted
) -> None:
    assert expected in broken


def test_what_follows_from_an_unreadable_file_is_not_told() -> None:
    files = good_files() | {"data/controls/data.yaml": b"controls: ["}
    assert [one.rule for one in check(files)] == ["data-unreadable"]
    files = good_files() | {
        "rules/demo/kept/rule.rego": b"package rules.demo.kept\n\nfindings := {"
    }
    assert {one.rule for one in check(files)} == {"compile"}


def test_data_that_collide_do_not_stop_the_compiler() -> None:
    files = good_files() | {
        "data/controls/data.json": b'{"controls": []}',
        "data/demo/data.json": b'{"never_filter": []}',
        "lib/odd/odd.rego": b"package lib.odd\n\nr if {\n\tx := 1\n}\n",
    }
    assert planted_of(check(files)) == {
        ("data-collision", "data/controls/data.yaml", 1, 1),
        ("data-collision", "data/demo/data.yaml", 1, 1),
        ("compile", "lib/odd/odd.rego", 4, 2),
    }


def test_the_same_sentence_about_the_same_place_stands_once() -> None:
    files, expected = plant(
        {
            "data/demo/data.yaml": "services:\n  - «owner»{id: a, glob: b, control: DEMO/1,\n"
            '     review_due: "2027-05-31"}\n',
            "schemas/demo/schema.json": """\
{"properties": {"services": {"items": {"required": ["owner"]}}}}
""",
        }
    )
    assert planted_of(check(good_files() | files)) == expected


def test_cut_names_do_not_matter_where_the_policies_keep_them() -> None:
    files, expected = plant(
        {
            "data/demo/data.yaml": DATA_OF_LONG_SERVICE,
            "main/main.rego": MAIN
            + """
_kept(position) if {
	input.proposals[position].process["compliance.process.identity_source"] == "truncated"
}
""",
        }
    )
    assert expected == set()
    assert check(good_files() | files) == []


def test_a_service_that_no_cut_name_matches_is_told() -> None:
    (finding,) = check(good_files() | {"data/demo/data.yaml": DATA_OF_LONG_SERVICE.encode()})
    assert (finding.rule, finding.line) == ("pattern-past-cut", 2)


def test_a_pattern_that_policies_break_on_says_nothing_of_cut_names() -> None:
    broken = '  - {id: broken, regex: "^(", owner: t, review_due: "2027-05-31", control: DEMO/1}\n'
    files = {
        "data/demo/data.yaml": DATA_OF_LONG_SERVICE + broken,
        "main/main.rego": MAIN
        + """
_kept(position) if {
	some row in data.data.demo.services
	regex.match(row.regex, input.proposals[position].process["process.executable.name"])
}
""",
    }
    found = check(good_files() | {path: text.encode() for path, text in files.items()})
    assert [finding.rule for finding in found] == ["pattern-uncompilable"]


DATA_OF_LONG_SERVICE = f"""\
services:
  - {{id: long, regex: "^a-name-of-sixteen$", {ROW}}}
"""


def test_every_lint_is_planted() -> None:
    """pattern-unseen needs traffic: see test_pattern_lint."""
    marked = {rule for texts in (DATA, RULES) for rule, *_ in plant(texts)[1]}
    told = {
        "manifest",
        "capabilities",
        "data-unreadable",
        "data-left-out",
        "data-collision",
        "schema-missing",
        "schema-invalid",
        "pattern-past-cut",
        "scope-unknown",
    }
    assert marked | told == set(LINTS) - {"pattern-unseen"}
