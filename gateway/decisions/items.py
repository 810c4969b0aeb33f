"""The items of a body that the decoders refuse as a whole, cut apart without reading them.

A scanner over bytes that follows strings and brackets (RFC 8259 section 2) in one pass and without
recursion, so that no depth and no number inside one item harms the others. What stands inside an
item is not checked here: each is decoded alone afterwards.
"""

import json
import re
from dataclasses import dataclass

from gateway.errors import InputError

MAX_ITEMS = 1000
MAX_DEPTH = 64

_SPACE = re.compile(rb"[ \t\n\r]*+")
# The closing quote is a group of its own: without it the scan ends at once. Searching on from the
# next quote instead would take quadratic time.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?P<quote>"?)'
_TEXT = re.compile(_STRING, re.DOTALL)
_SCALAR = re.compile(rb'[^ \t\n\r"\[\]{},:]++')
# Runs of brackets are one step, so that a bomb costs no more than text.
_BRACKETS = re.compile(_STRING + rb"|(?P<open>[\[{]++)|(?P<close>[\]}]++)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Item:
    """One JSON value as it stands in the body, and how deep its brackets nest (a scalar: 0)."""

    text: bytes
    depth: int


def cut_items(body: bytes) -> list[Item]:
    """The elements of the last top-level member named `proposals`: at most 1,001 of them.

    Raises InputError where the body around the elements is malformed or nested deeper than 64.
    """
    proposals: Item | None = None
    others: list[Item] = []
    for name, value in split_members(body):
        if name == "proposals":
            if proposals is not None:
                others.append(proposals)
            proposals = value
        else:
            others.append(value)
    for value in others:
        _verify_value(value)
    if proposals is None or not proposals.text.startswith(b"["):
        raise InputError("the body must be an object with proposals")
    return _split_elements(proposals.text)


def split_members(text: bytes) -> list[tuple[str, Item]]:
    """The members of a JSON object in their order, duplicates too; the values are not checked.

    Raises InputError where the object is malformed outside its values.
    """
    members: list[tuple[str, Item]] = []
    at = _skip(text, _expect(text, _skip(text, 0), b"{"))
    while text[at : at + 1] != b"}" or members:
        name_end = _end_of_text(text, at)
        name = _parse_name(text[at:name_end])
        at = _skip(text, _expect(text, _skip(text, name_end), b":"))
        value, at = _cut_value(text, at)
        members.append((name, value))
        at = _skip(text, at)
        if text[at : at + 1] == b"}":
            break
        at = _skip(text, _expect(text, at, b","))
    _verify_end(text, at + 1)
    return members


def _split_elements(text: bytes) -> list[Item]:
    elements: list[Item] = []
    at = _skip(text, _expect(text, 0, b"["))
    while text[at : at + 1] != b"]" or elements:
        element, at = _cut_value(text, at)
        elements.append(element)
        if len(elements) > MAX_ITEMS:
            return elements
        at = _skip(text, at)
        if text[at : at + 1] == b"]":
            break
        at = _skip(text, _expect(text, at, b","))
    _verify_end(text, at + 1)
    return elements


def _cut_value(text: bytes, at: int) -> tuple[Item, int]:
    first = text[at : at + 1]
    depth = 0
    if first == b'"':
        end = _end_of_text(text, at)
    elif first and first in b"[{":
        end, depth = _end_of_brackets(text, at)
    else:
        scalar = _SCALAR.match(text, at)
        if scalar is None:
            raise _malformed()
        end = scalar.end()
    return Item(text[at:end], depth), end


def _end_of_brackets(text: bytes, start: int) -> tuple[int, int]:
    """Where the value ends that opens here, and its depth."""
    depth = deepest = 0
    for found in _BRACKETS.finditer(text, start):
        kind = found.lastgroup
        begin, end = found.span()
        if kind == "open":
            depth += end - begin
            if depth > deepest:
                deepest = depth
        elif kind == "close":
            if end - begin >= depth:
                return begin + depth, deepest
            depth -= end - begin
        elif not found["quote"]:
            break
    raise _malformed()


def _end_of_text(text: bytes, at: int) -> int:
    found = _TEXT.match(text, at)
    if found is None or not found["quote"]:
        raise _malformed()
    return found.end()


def _parse_name(text: bytes) -> str:
    try:
        return str(json.loads(text.decode("utf-8", "surrogateescape")))
    except ValueError:
        raise _malformed() from None


def _verify_value(value: Item) -> None:
    """What stands beside the proposals must be JSON, as Python reads it."""
    if value.depth > MAX_DEPTH:
        raise InputError(f"the body is nested deeper than {MAX_DEPTH} beside its proposals")
    try:
        json.loads(value.text.decode("utf-8", "surrogateescape"))
    except ValueError:
        raise _malformed() from None


def _skip(text: bytes, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _expect(text: bytes, at: int, byte: bytes) -> int:
    if text[at : at + 1] != byte:
        raise _malformed()
    return at + 1


def _verify_end(text: bytes, at: int) -> None:
    if _skip(text, at) != len(text):
        raise _malformed()


def _malformed() -> InputError:
    return InputError("the body is not JSON that can be read; send an object with proposals")
