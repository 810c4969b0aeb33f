"""Reads of input are followed through variables, functions, rules and data."""

from pathlib import Path
from typing import Any

import pytest

from gateway.authoring.declared_input import check_reads, written
from gateway.authoring.input_reads import find_input_reads
from gateway.authoring.modules import parse_modules
from gateway.authoring.opa_program import open_program
from gateway.bundles.folder import read_bundle
from tests.fakes.bundles import real_opa
from tests.unit.authoring.planted import capabilities

pytestmark = pytest.mark.opa

DATA: dict[str, Any] = {
    "data": {"names": {"whole": ["service.name", "k8s.pod.label.app"], "other": ["host.id"]}}
}


def reads(data: dict[str, Any] = DATA, /, **modules: str) -> set[str]:
    """What modules read, as Rego writes it. `a__b` is a/b.rego, in package a.b."""
    files = {
        f"{name.replace('__', '/')}.rego": f"package {name.replace('__', '.')}\n\n{text}".encode()
        for name, text in modules.items()
    }
    bundle = {"capabilities.json": capabilities()}
    with open_program(real_opa(), files, bundle) as opa:
        parsed, problems = parse_modules(opa, files)
    assert problems == []
    return {written(read.steps) for read in find_input_reads(parsed, data)}


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("x := input.subject.region", "input.subject.region"),
        ('some p in input.proposals\nx := p.process["a.b"]', 'input.proposals[_].process["a.b"]'),
        ("some i, p in input.proposals\nx := p.action", "input.proposals[_].action"),
        ("p := input.proposals[_]\nq := p.process\nx := q.late", "input.proposals[_].process.late"),
        ("x := q.late\nq := p.process\np := input.proposals[0]", "input.proposals[_].process.late"),
        ("p := input.proposals[i]\nx := p.foo[j]", "input.proposals[_].foo[_]"),
        ('key := "b"\nx := input.a[key]', "input.a.b"),
        ('some key in ["b", "c"]\nx := input.a[key]', "input.a.c"),
        ("some key\nx := input.a[key]", "input.a[_]"),
        ('x := object.get(input, ["a", "b"], null)', "input.a.b"),
        ('x := object.get(input.a, "b", null)', "input.a.b"),
        ('x := object.filter(input.a, {"b"})', "input.a.b"),
        ('y := object.union(input.a, {"c": 1})\nx := y.b', "input.a.b"),
        ("x := count(object.keys(input.a))", "input.a[_]"),
        ("walk(input, [path, x])", "input[_]"),
        ("every p in input.list { p.b }\nx := 1", "input.list[_].b"),
        ("[p, y] := [input.a, 1]\nx := p.b", "input.a.b"),
        ('{"k": p} = {"k": input.a}\nx := p.b', "input.a.b"),
        ("x := {y | y := input.a.b}", "input.a.b"),
        ("some p in {q | q := input.a}\nx := p.b", "input.a.b"),
        ("not input.a.b\nx := 1", "input.a.b"),
        ("x := $`{input.a.b}`", "input.a.b"),
        ("x := 1 with data.foo as input.a.b", "input.a.b"),
        ("f(input.a) == 1\nx := 1", "input.a.b"),
        ("x := rule_value.b", "input.a.b"),
        ("some p in set_value\nx := p.b", "input.a.b"),
        ("some name in data.data.names.whole\nx := input.a[name]", 'input.a["service.name"]'),
        ("some l in data.data.names\nsome n in l\nx := input.a[n]", 'input.a["host.id"]'),
        ("x := 1 if { false } else := input.a.b", "input.a.b"),
    ],
)
def test_a_read_is_found(body: str, read: str) -> None:
    helpers = """
f(p) := p.b

rule_value := input.a

set_value contains input.a
"""
    head = "r := x if {\n"
    text = body.replace("x := 1 if", "r := 1 if") if "else" in body else f"{head}{body}\n}}"
    assert read in reads(main=f"{text}\n{helpers}")


def test_a_name_in_two_comprehensions_is_not_one_variable() -> None:
    text = "r := [a | some x in input.list; a := x.one]\ns := [b | x := input.other; b := x.two]"
    assert "input.other.one" not in reads(main=text)
    found = reads(main=f"t := [{text.splitlines()[0][5:]}, {text.splitlines()[1][5:]}]")
    assert not found & {"input.other.one", "input.list[_].two"}
    assert found >= {"input.list[_].one", "input.other.two"}


def test_a_name_that_a_comprehension_declares_is_its_own() -> None:
    text = (
        "r := z if {\n\tx := input.other\n\tz := [x.two, [y | some x in input.list; y := x.one]]\n}"
    )
    found = reads(main=text)
    assert "input.other.one" not in found
    assert found >= {"input.other.two", "input.list[_].one"}


def test_reads_are_followed_into_other_packages() -> None:
    found = reads(
        main="import data.lib.tools as t\n\nr := t.value(input.a)\n\ns := data.lib.tools.whole.c",
        lib__tools="value(x) := x.b\n\nwhole := input.d",
    )
    assert found >= {"input.a.b", "input.d.c"}


def check_text(text: str, attributes: tuple[str, ...] | None = ("a.b",)) -> list[str]:
    files = {"main/main.rego": f"package main\n\nr if {{\n\t{text}\n}}\n".encode()}
    with open_program(real_opa(), files, {"capabilities.json": capabilities()}) as opa:
        modules, _ = parse_modules(opa, files)
    found = check_reads(find_input_reads(modules, {}), attributes)
    return [f"{one.rule} {one.line}:{one.column}" for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('some p in input.proposals; p.process["a.b"] == "x"', []),
        ("input.context.time.windows[_] == input.subject.tier", []),
        ("some p in input.proposals; p.score + p.sample_permille > 1", []),
        ("count(input.proposals) > 1", []),
        ('some p in input.proposals; p.process["a.c"] == "x"', ["undeclared-read 4:29"]),
        ("input.subjects", ["undeclared-read 4:2"]),
        ("input.subject.region.name", ["undeclared-read 4:2"]),
        ("input.proposals.first", ["undeclared-read 4:2"]),
        ("some k; input.proposals[0][k] == 1", ["dynamic-read 4:10"]),
        ("input.proposals[_].process[_] == 1", ["dynamic-read 4:2"]),
    ],
)
def test_what_is_not_given_is_told(text: str, expected: list[str]) -> None:
    assert check_text(text) == expected


def test_attributes_are_not_judged_where_their_declaration_is_unreadable() -> None:
    assert check_text('input.proposals[_].process["a.c"] == "x"', None) == []


def test_the_rules_of_a_rollout_are_asked_another_question() -> None:
    bundle = read_bundle(Path(__file__).parents[3] / "policies")
    sources = {path: text for path, text in bundle.files.items() if path.endswith(".rego")}
    with open_program(real_opa(), sources, bundle.files) as opa:
        modules, _ = parse_modules(opa, sources)
    found = find_input_reads(modules, bundle.data)
    assert len(found) > 40
    assert check_reads(found, bundle.class_declaration.attributes) == []
