"""Mutants of Rego, made where `opa parse` says that an expression or term stands.

Each edit replaces the exact source of one node. Edits that no longer compile are not mutants; the
judge finds that out.
"""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants.mutant import Mutant, describe, number

Node = dict[str, Any]

COMPARISONS = {
    "==": ("!=",),
    "!=": ("==",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
}
CALLS = {
    "max": "min",
    "min": "max",
    "union": "intersection",
    "intersection": "union",
    "|": "&",
    "&": "|",
    "-": "|",
    "+": "-",
    "lower": "upper",
    "is_string": "is_number",
    "is_number": "is_string",
    "is_object": "is_array",
    "is_array": "is_object",
    "object.filter": "object.remove",
    "startswith": "endswith",
    "endswith": "startswith",
    "strings.any_prefix_match": "strings.any_suffix_match",
}
# Of these the later argument wins or follows, so their order says something.
ORDERED_CALLS = ("object.union", "array.concat")
WORDS = {
    "permit": "protect",
    "protect": "permit",
    "drop": "keep",
    "keep": "drop",
    "sample": "keep",
    "hard": "soft",
    "soft": "advisory",
    "advisory": "hard",
    "at_least": "at_most",
    "at_most": "at_least",
    "max": "min",
    "min": "max",
}
LEVELS = {"hard": "soft", "soft": "advisory", "advisory": "hard"}


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    text: str


class _Source:
    """A module's text and where its nodes stand in it."""

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.content = content
        self._starts = [0, *(at + 1 for at, byte in enumerate(content) if byte == 0x0A)]

    def span(self, node: Node) -> _Span:
        """The bytes of a node; raises ValueError where OPA's location and the text disagree."""
        location = node["location"]
        text = base64.b64decode(location["text"])
        start = self._starts[location["row"] - 1] + location["col"] - 1
        if self.content[start : start + len(text)] != text:
            raise ValueError(f"{self.path}:{location['row']}: OPA's location is not the text's")
        return _Span(start, start + len(text), text.decode())

    def edit(self, place: str, operator: str, span: _Span, after: str) -> Mutant:
        """The mutant that has `after` where `span` is."""
        content = self.content[: span.start] + after.encode() + self.content[span.end :]
        line = self.content.count(b"\n", 0, span.start) + 1
        return Mutant(self.path, line, place, operator, describe(span.text, after), content)

    def between(self, start: int, end: int) -> _Span:
        return _Span(start, end, self.content[start:end].decode())


def mutate_module(opa: Path, policies: Path, path: str) -> list[Mutant]:
    """Every mutant of one module, in the order of its text; raises ValueError when OPA cannot
    parse it."""
    options = ("--format", "json", "--json-include", "locations,-comments")
    done = subprocess.run(
        [str(opa), "parse", *options, str(policies / path)],
        capture_output=True,
        timeout=30,
        check=False,
    )
    if done.returncode != 0:
        raise ValueError(f"{path} cannot be parsed: {done.stderr.decode(errors='replace')}")
    content = (policies / path).read_bytes()
    source = _Source(path, content)
    found = list(_annotations(source))
    for rule in json.loads(done.stdout)["rules"]:
        found += _rule(source, rule, _name(source, rule))
    return list(number(sorted(found, key=lambda mutant: mutant.line), content))


def _name(source: _Source, rule: Node) -> str:
    return str(rule["head"].get("name") or source.span(rule["head"]["ref"][0]).text)


def _annotations(source: _Source) -> Iterator[Mutant]:
    """METADATA is part of a rule: its level decides. (A verdict's control stands in the row.)"""
    for match in re.finditer(rb"^# +level: (\w+)$", source.content, re.MULTILINE):
        word = match[1].decode()
        span = _Span(match.start(1), match.end(1), word)
        yield source.edit("METADATA", "level", span, LEVELS.get(word, "hard"))


def _rule(source: _Source, rule: Node, place: str) -> Iterator[Mutant]:
    span = source.span(rule)
    if rule.get("default"):
        end = source.span(rule["head"]).end
        yield source.edit(place, "drop default", source.between(span.start, end), "")
    elif span.text.startswith("else"):
        yield source.edit(place, "drop else", span, "")
    else:
        # Of a definition without a body OPA gives the name alone; such a one fills its line.
        end = source.content.index(b"\n", span.end)
        yield source.edit(place, "drop rule", source.between(span.start, end), "")
    for part in ("args", "key", "value"):
        yield from _any(source, rule["head"].get(part), place)
    for expression in rule.get("body", []):
        yield from _expression(source, expression, place)
    if "else" in rule:
        yield from _rule(source, rule["else"], place)


def _any(source: _Source, node: object, place: str) -> Iterator[Mutant]:
    """Mutants of whatever stands in the tree, and below it."""
    if isinstance(node, list):
        for child in node:
            yield from _any(source, child, place)
    elif isinstance(node, dict):
        if "terms" in node and "index" in node:
            yield from _expression(source, node, place)
            return
        if "type" in node and "location" in node:
            yield from _term(source, node, place)
        below = node.get("value")
        if node.get("type") == "call" and isinstance(below, list):
            yield from _any(source, below[1:], place)  # what is called has its own operators
            return
        for key, child in node.items():
            if key != "location":
                yield from _any(source, child, place)


def _expression(source: _Source, node: Node, place: str) -> Iterator[Mutant]:
    if node.get("generated"):
        return
    span, terms = source.span(node), node["terms"]
    operator = source.span(terms[0]).text if isinstance(terms, list) else ""
    declares = operator in (":=", "=") or (isinstance(terms, dict) and "symbols" in terms)
    if not declares:  # without its variable the rest would not compile
        yield source.edit(place, "drop condition", span, "true")
        negated = bool(node.get("negated"))
        after = span.text.removeprefix("not ") if negated else f"not {span.text}"
        yield source.edit(place, "negate", span, after)
    if isinstance(terms, list):
        for after in COMPARISONS.get(operator, ()):
            yield source.edit(place, "compare", source.span(terms[0]), after)
        yield from _call(source, terms, place)
        # More than -1 is what `>=` made of it already.
        counts = operator == ">" and source.span(terms[2]).text == "0"
        yield from _any(source, terms[1:2] if counts else terms[1:], place)
    else:
        yield from _any(source, terms, place)


def _term(source: _Source, node: Node, place: str) -> Iterator[Mutant]:
    kind, value = node["type"], node.get("value")
    if kind == "call":
        yield from _call(source, node["value"], place)
    elif kind in ("set", "array", "object"):
        yield from _literal(source, node, place)
    elif kind == "ref":
        yield from _reference(source, node, place)
    elif kind in ("string", "number", "boolean"):
        span = source.span(node)
        if kind == "number":
            for change in (1, -1):
                yield source.edit(place, "number", span, str(int(span.text) + change))
        elif kind == "boolean" and span.text in ("true", "false"):
            yield source.edit(place, "constant", span, "false" if value else "true")
        elif span.text[0] in '"`':  # otherwise a part of a dotted reference
            yield from _text(source, span, str(value), place)


def _text(source: _Source, span: _Span, value: str, place: str) -> Iterator[Mutant]:
    quote = span.text[0]
    if value in WORDS:
        yield source.edit(place, "word", span, f"{quote}{WORDS[value]}{quote}")
    elif quote == "`" and value.startswith("["):
        for at in _class_members(value):  # a set of characters in a pattern
            shorter = value[: at[0]] + value[at[1] :]
            yield source.edit(place, "pattern", span, f"{quote}{shorter}{quote}")
    elif quote == "`":
        yield source.edit(place, "pattern", span, f"{quote}{value.lstrip('^')}.{quote}")
    else:
        yield source.edit(place, "constant", span, f'{span.text[:-1]}-mutant"')


def _class_members(pattern: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"(?<!^)\\.|(?<=.)[^\\\[\]]", pattern)]


def _call(source: _Source, terms: list[Node], place: str) -> Iterator[Mutant]:
    operator = source.span(terms[0])
    if operator.text in CALLS:
        yield source.edit(place, "call", operator, CALLS[operator.text])
    if operator.text in ORDERED_CALLS and len(terms) == 3:
        first, second = source.span(terms[1]), source.span(terms[2])
        middle = source.content[first.end : second.start].decode()
        both = source.between(first.start, second.end)
        yield source.edit(place, "swap arguments", both, second.text + middle + first.text)


def _reference(source: _Source, node: Node, place: str) -> Iterator[Mutant]:
    """A reference to what is not there: undefined is where Rego loses protection silently."""
    parts = node["value"]
    if parts[0].get("value") == "internal" or "location" not in parts[-1]:
        return
    whole, last = source.span(node), source.span(parts[-1])
    if len(parts) > 1 and parts[-1]["type"] == "string" and whole.end == last.end:
        yield source.edit(place, "undefine", whole, whole.text + "_mutant")


def _literal(source: _Source, node: Node, place: str) -> Iterator[Mutant]:
    whole = source.span(node)
    elements = [_element(source, item) for item in node.get("value") or []]
    elements.sort(key=lambda span: span.start)  # OPA gives an object's members by name
    if len(elements) == 1:
        empty = {"set": "set()", "array": "[]", "object": "{}"}[node["type"]]
        yield source.edit(place, "drop element", whole, empty)
        return
    for index, span in enumerate(elements):
        last = index == len(elements) - 1
        start = elements[index - 1].end if last else span.start
        end = span.end if last else elements[index + 1].start
        yield source.edit(place, "drop element", source.between(start, end), "")


def _element(source: _Source, item: Node | list[Node]) -> _Span:
    if isinstance(item, dict):
        return source.span(item)
    return source.between(source.span(item[0]).start, source.span(item[1]).end)
