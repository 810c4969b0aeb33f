"""The rules of a bundle as they are written: METADATA, place, and the tests beside them.

METADATA comes from `opa inspect`, OPA's own reading. Places of heads are found in the text: `opa
fmt` puts every head at the beginning of a line.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gateway.authoring.data_rows import DataRow
from gateway.authoring.finding import Place
from gateway.authoring.opa_program import open_program
from gateway.bundles.folder import TEST_ENDING
from gateway.errors import BundleError

INSPECT_SECONDS = 60.0
RULES_ROOT = "rules"
_HEAD = re.compile(r"^(?:findings|duties)\b", re.MULTILINE)
# A definition goes on until the next line that begins with a letter or a comment.
_DEFINITION = re.compile(
    r"^(?:default\s+)?([A-Za-z_][A-Za-z0-9_]*)[^\n]*\n(?:[^A-Za-z_#\n][^\n]*\n|\n)*", re.MULTILINE
)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class RegoTest:
    """One Rego test. `text` is its source with that of the definitions of its file that it uses."""

    name: str
    text: str

    def mentions(self, word: str) -> bool:
        """Whether the test writes this text, as a string of Rego."""
        return f'"{word}"' in self.text or f"({word})" in self.text


@dataclass(frozen=True)
class RuleSource:
    """One package of policies. `place` is its `findings` or `duties`, or the package itself.
    `controls` are those that its METADATA names; `controls_of` are lists of data (`never_filter`):
    the rule stands for the controls of their rows, whichever table they are in."""

    package: str
    title: str
    description: str
    level: str
    controls: tuple[str, ...]
    controls_of: tuple[str, ...]
    remediation: str
    place: Place
    text: str
    test_file: str
    test_text: str

    @property
    def at(self) -> str:
        """The place as `file:line`."""
        return f"{self.place.file}:{self.place.line}"

    @property
    def is_rule(self) -> bool:
        """Whether the package is a rule, and not a library."""
        return self.package.startswith(f"{RULES_ROOT}.")

    @cached_property
    def tests(self) -> tuple[RegoTest, ...]:
        """The tests of the file beside the rule, in order."""
        texts: dict[str, str] = {}
        for match in _DEFINITION.finditer(self.test_text + "\n"):
            texts[match[1]] = texts.get(match[1], "") + match[0]
        return tuple(
            RegoTest(name, _with_used(text, texts))
            for name, text in texts.items()
            if name.startswith("test_")
        )


def rules_of(
    control: str, rows: Sequence[DataRow], rules: Sequence[RuleSource]
) -> list[RuleSource]:
    """The packages behind a control: those that name it; else those that stand for the lists of its
    rows; else those that a row names as its rule, or that read a row's list."""
    if claiming := [rule for rule in rules if control in rule.controls]:
        return claiming
    lists = {row.list.rpartition(".")[2] for row in rows}
    if listing := [rule for rule in rules if lists & set(rule.controls_of)]:
        return listing
    named = {row.value.get("rule") for row in rows}
    read = [f"data.data.{row.list}" for row in rows]
    return [
        rule for rule in rules if rule.package in named or any(path in rule.text for path in read)
    ]


def read_rules(files: Mapping[str, bytes], opa: Path) -> tuple[RuleSource, ...]:
    """Every package that has METADATA, by name; raises BundleError in OPA's words."""
    # Without the tests: what is wrong with them is for `gateway policy test` to say.
    read = {path: content for path, content in files.items() if not path.endswith(TEST_ENDING)}
    with open_program(opa, read, files) as program:
        answer = program.run(["inspect", "--annotations", "--format=json", "."], INSPECT_SECONDS)
    report = answer.value()
    if answer.status != 0 or not isinstance(report, dict):
        raise BundleError(f"opa inspect: {answer.words()}")
    sources = [
        _source(found, files)
        for found in report.get("annotations") or []
        if found["annotations"].get("scope") == "package"
    ]
    return tuple(sorted(sources, key=lambda source: source.package))


def _source(found: Mapping[str, Any], files: Mapping[str, bytes]) -> RuleSource:
    annotations, path = found["annotations"], found["location"]["file"]
    custom = annotations.get("custom") or {}
    text = files[path].decode()
    test_file = path.removesuffix(".rego") + TEST_ENDING
    return RuleSource(
        package=".".join(str(term["value"]) for term in found["path"][1:]),
        title=annotations.get("title", ""),
        description=" ".join(annotations.get("description", "").split()),
        level=str(custom.get("level", "")),
        controls=tuple(map(str, custom.get("controls") or ())),
        controls_of=tuple(map(str, custom.get("controls_of") or ())),
        remediation=str(custom.get("remediation", "")),
        place=Place(path, _head_line(text, found["location"]["row"])),
        text=text,
        test_file=test_file if test_file in files else "",
        test_text=files.get(test_file, b"").decode(),
    )


def _head_line(text: str, package_line: int) -> int:
    head = _HEAD.search(text)
    return text.count("\n", 0, head.start()) + 1 if head else package_line


def _with_used(text: str, texts: Mapping[str, str]) -> str:
    """A definition's text with the texts of what it uses, at any depth."""
    parts: list[str] = []
    seen: set[str] = set()
    waiting = [text]
    while waiting:
        part = waiting.pop()
        parts.append(part)
        used = [word for word in _WORD.findall(part) if word in texts and word not in seen]
        seen.update(used)
        waiting.extend(texts[word] for word in used if not word.startswith("test_"))
    return "".join(parts)
