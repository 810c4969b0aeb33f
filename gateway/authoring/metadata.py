"""METADATA of the rules: complete, with known controls, in a package that equals the path."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding, Place
from gateway.authoring.modules import Module, rule_name
from gateway.authoring.positions import Document
from gateway.errors import ConfigError
from gateway.wire.documents import Path, load_yaml_with_places

RULES = "rules"
LEVELS = ("hard", "soft", "advisory")
RESULTS = {"findings", "duties"}
_RULE_DEPTH = 3  # rules/<framework>/<rule>: data.main reads data.rules[_][_]
_BLOCK = "# METADATA"
_TEXTS: tuple[Path, ...] = (("title",), ("description",), ("custom", "remediation"))
_COMMENT = re.compile(r"^(\s*)#", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ControlClaim:
    """A control that a rule claims, and where."""

    control: str
    place: Place


@dataclass(frozen=True, slots=True)
class ListClaim:
    """A list of rows (`never_filter`, …) whose controls a rule claims, whatever they are."""

    name: str
    place: Place


def check_packages(modules: Sequence[Module]) -> list[Finding]:
    """A module's package is its folder; a test's ends in `_test`, or is the file's name below."""
    findings = []
    for module in modules:
        wanted = _test_packages(module) if module.is_test else [module.folder]
        if module.package not in wanted:
            findings.append(
                found(
                    "package-path",
                    module.place(),
                    f"the package is {'.'.join(module.package)} and the folder is "
                    f"{'/'.join(module.folder) or 'the root'}",
                    f"write `package {'.'.join(wanted[0])}`, or move the file",
                )
            )
    return findings


def _test_packages(module: Module) -> list[tuple[str, ...]]:
    *above, last = module.folder or ("",)
    stem = module.file.rpartition("/")[2].removesuffix(".rego")
    return [(*above, f"{last}_test"), module.folder, (*module.folder, stem)]


def check_rules(modules: Sequence[Module]) -> list[Finding]:
    """Each rule lies where data.main finds it, gives a result and has a test beside it."""
    tested = {
        module.folder
        for module in modules
        if module.is_test and any(rule_name(rule).startswith("test_") for rule in module.rules)
    }
    findings = []
    for module in rules_of(modules):
        if len(module.folder) != _RULE_DEPTH:
            findings.append(
                found(
                    "rule-place",
                    module.place(),
                    "data.main reads rules/<framework>/<rule>/ and does not find this one",
                    "move it two folders below rules/",
                )
            )
        if not RESULTS & {rule_name(rule) for rule in module.rules}:
            findings.append(
                found(
                    "rule-place",
                    module.place(),
                    "the rule gives neither findings nor duties, so it does nothing",
                    "give one of them, or move what is shared to lib/",
                )
            )
        if module.folder not in tested:
            findings.append(
                found(
                    "rule-test",
                    module.place(),
                    "no test stands beside the rule",
                    f"write rules test_… in {'/'.join(module.folder)}/rule_test.rego",
                )
            )
    return findings


def rules_of(modules: Iterable[Module]) -> list[Module]:
    """The modules below rules/ that are no tests."""
    return [module for module in modules if module.folder[:1] == (RULES,) and not module.is_test]


def check_metadata(module: Module) -> tuple[list[Finding], list[ControlClaim], list[ListClaim]]:
    """What METADATA of one rule lacks, and what it claims."""
    block = _block_of(module)
    if block is None:
        missing = found(
            "metadata",
            module.place(),
            "METADATA is missing above the package",
            "write title, description, custom.controls, custom.level and custom.remediation",
        )
        return [missing], [], []
    findings = [_missing_text(block, path) for path in _TEXTS if not _is_text(_at(block, path))]
    level = _at(block, ("custom", "level"))
    if level not in LEVELS and not (level is None and _at(block, ("custom", "controls_of"))):
        findings.append(
            found(
                "metadata",
                block.place(("custom", "level")),
                "custom.level is missing" if level is None else "custom.level is of no known kind",
                f"write one of {', '.join(LEVELS)}",
            )
        )
    controls = _texts(block, ("custom", "controls"), findings)
    lists = _texts(block, ("custom", "controls_of"), findings)
    if not controls and not lists:
        findings.append(
            found(
                "metadata",
                block.name_place(("custom", "controls")),
                "custom.controls names no control",
                "list the ids of the controls that the rule holds (or controls_of, a list of rows)",
            )
        )
    return (
        findings,
        [ControlClaim(text, place) for text, place in controls],
        [ListClaim(text, place) for text, place in lists],
    )


def _block_of(module: Module) -> Document | None:
    """The package's METADATA as a document with places in the module."""
    for annotation in module.tree.get("annotations") or ():
        if annotation.get("scope") == "package":
            return _read_block(module, annotation)
    return None


def _read_block(module: Module, annotation: Mapping[str, Any]) -> Document:
    # OPA has read the block already, so its value is OPA's and only the places are ours.
    first = annotation["location"]["row"]
    text = _comment_text(module, first)
    try:
        _, places = load_yaml_with_places(text, module.file)
    except ConfigError:
        return Document(module.file, annotation)
    return Document(module.file, annotation, places)


def _comment_text(module: Module, first: int) -> str:
    lines = module.source.splitlines()[first:]
    block = []
    for line in lines:
        if not line.lstrip().startswith("#"):
            break
        block.append(_COMMENT.sub(r"\1 ", line))
    return "\n" * first + "\n".join(block)


def _missing_text(block: Document, path: Path) -> Finding:
    name = ".".join(map(str, path))
    return found(
        "metadata", block.name_place(path), f"{name} is missing", "write it; reasons show it"
    )


def _at(block: Document, path: Path) -> Any:
    value = block.value
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(block: Document, path: Path, findings: list[Finding]) -> list[tuple[str, Place]]:
    value = _at(block, path)
    if value is None:
        return []
    if not isinstance(value, list) or not all(map(_is_text, value)):
        name = ".".join(map(str, path))
        findings.append(
            found("metadata", block.place(path), f"{name} is no list of texts", "write a list")
        )
        return []
    return [(text, block.place((*path, at))) for at, text in enumerate(value)]
