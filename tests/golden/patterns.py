"""Patterns as docs/formats.md section 7 says, in plain Python: an RE2 search, or a glob that
matches the whole name. Also texts that a pattern matches, for the corpus.

Python's `re` stands in for RE2: what the two read differently is translated or refused.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

# Python has them and RE2 has not, or gives them another meaning.
_FOREIGN = re.compile(r"\\[1-9zZAbB]|\(\?|[*+?}]\+|\\[pPCQE]")


def matches_row(row: Mapping[str, Any], name: str) -> bool:
    """Whether a row's `regex` or `glob` matches a name."""
    if "regex" in row and _compiled(row["regex"]).search(name):
        return True
    return "glob" in row and _compiled_glob(row["glob"]).fullmatch(name) is not None


@functools.cache
def variants(name: str) -> frozenset[str]:
    """A name as it is and lower-cased, one character for one as Go does it."""
    return frozenset({name, "".join(_lower(character) for character in name)})


def _lower(character: str) -> str:
    lowered = character.lower()
    return lowered if len(lowered) == 1 else lowered[0]  # only İ, which Python makes two of


@functools.cache
def _compiled(regex: str) -> re.Pattern[str]:
    if _FOREIGN.search(regex):
        raise ValueError(f"RE2 and Python may differ on {regex}: extend tests/golden/patterns.py")
    # Python's $ also matches before a last line feed; its classes are Unicode's without ASCII.
    strict = re.sub(r"(\\.|\[[^\]]*\])|\$", lambda found: found[1] or r"\Z", regex)
    return re.compile(strict, re.ASCII)


@functools.cache
def _compiled_glob(glob: str) -> re.Pattern[str]:
    parts = []
    for part in re.findall(r"\[[^\]]*\]|.", glob, re.DOTALL):
        if part == "*":
            parts.append(".*")
        elif part == "?":
            parts.append(".")
        elif len(part) > 1:
            inner = re.escape(part[1:-1]).replace(r"\-", "-")
            parts.append(f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]")
        elif part in "{}\\":
            raise ValueError(f"not in the glob grammar of docs/formats.md: {glob}")
        else:
            parts.append(re.escape(part))
    return re.compile("".join(parts), re.DOTALL)


def examples(row: Mapping[str, Any]) -> list[str]:
    """Texts that a row matches: each branch of each group, each optional part with and without."""
    if "glob" in row:
        parts = re.findall(r"\[[^\]]*\]|.", row["glob"])
        filled = [{"*": "eu-1", "?": "x"}.get(part, part.strip("[]")[:1]) for part in parts]
        found = ["".join(filled)]
    else:
        found = list(dict.fromkeys(_sequence(_Reader(row["regex"]))))
    wrong = [text for text in found if not matches_row(row, text)]
    if wrong:
        raise ValueError(f"{row} does not match its own examples {wrong}")
    return found


class _Reader:
    """A regular expression, one symbol after another."""

    def __init__(self, text: str) -> None:
        self.symbols: list[str] = re.findall(r"\\.|\[[^\]]*\]|.", text)
        self.at = 0

    def peek(self) -> str:
        return self.symbols[self.at] if self.at < len(self.symbols) else ""

    def take(self) -> str:
        self.at += 1
        return self.symbols[self.at - 1]


def _sequence(reader: _Reader) -> Iterator[str]:
    """Texts of each alternative up to `)` or the end: the plainest, and one for each other choice
    of each part. A repetition is there not at all or once."""
    branches: list[list[list[str]]] = [[]]
    while reader.peek() not in ("", ")"):
        symbol = reader.take()
        if symbol == "|":
            branches.append([])
            continue
        branches[-1].append(_quantified(reader, _atom(reader, symbol)))
    for branch in branches:
        plainest = [choices[0] for choices in branch]
        yield "".join(plainest)
        for at, choices in enumerate(branch):
            for other in choices[1:]:
                yield "".join([*plainest[:at], other, *plainest[at + 1 :]])


def _atom(reader: _Reader, symbol: str) -> list[str]:
    if symbol == "(":
        inside = list(_sequence(reader))
        reader.take()
        return inside
    if symbol in ("^", "$"):
        return [""]
    if symbol.startswith("["):
        # Both ends of the set, so that a set cut short at either is noticed.
        return sorted({symbol[1], symbol[-2]}) if symbol[1] != "^" else ["~"]
    if symbol.startswith("\\"):
        return [{"\\d": "7", "\\w": "w", "\\s": " "}.get(symbol, symbol[1])]
    return ["x" if symbol == "." else symbol]


def _quantified(reader: _Reader, atom: list[str]) -> list[str]:
    if reader.peek() in ("?", "*"):
        reader.take()
        return ["", *atom]
    if reader.peek() == "+":
        reader.take()
    return atom
