"""What OPA's own parser and compiler say of the Rego modules.

The trees are those of `opa parse --format json`, with locations. Columns are OPA's: a tab is one.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding, Place
from gateway.authoring.opa_program import OpaAnswer, OpaProgram
from gateway.bundles import manifest
from gateway.bundles.folder import TEST_ENDING
from gateway.errors import EngineError

PARSE_SECONDS = 30.0
COMPILE_SECONDS = 60.0
Progress = Callable[[int, int], None]
_WORKERS = 2
_MENDS = {
    "rego_parse_error": "mend the syntax there",
    "rego_unsafe_var_error": "give the variable a value before it is used",
    "rego_type_error": "use what exists, of the type asked for; see capabilities.json",
}


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed module. `package` is without `data`; `tree` is OPA's; `source` is the text."""

    file: str
    package: tuple[str, ...]
    tree: dict[str, Any]
    source: str

    @property
    def is_test(self) -> bool:
        return self.file.endswith(TEST_ENDING)

    @property
    def folder(self) -> tuple[str, ...]:
        return tuple(self.file.split("/")[:-1])

    @property
    def rules(self) -> list[dict[str, Any]]:
        return list(self.tree.get("rules") or ())

    def place(self, node: dict[str, Any] | None = None) -> Place:
        """Where a node of the tree begins; the package, for none."""
        location = (node or self.tree["package"]).get("location") or {}
        return Place(self.file, max(1, location.get("row", 1)), max(1, location.get("col", 1)))


def rule_name(rule: dict[str, Any]) -> str:
    """The first part of a rule's reference: its name in the package."""
    head = rule["head"]
    return str(head["ref"][0]["value"] if head.get("ref") else head.get("name", ""))


def parse_modules(
    opa: OpaProgram, files: Mapping[str, bytes], progress: Progress | None = None
) -> tuple[list[Module], list[Finding]]:
    """The modules that OPA parses, and a finding for each syntax error of the others.

    `files` are the modules alone, by path; `progress` is called with how many of how many are done.
    Raises BundleError when OPA cannot be run, EngineError when it answers as nobody documented.
    """
    modules, findings = [], []
    with ThreadPoolExecutor(_WORKERS) as pool:
        answers = pool.map(lambda file: _parse(opa, file), files)
        for done, (file, answer) in enumerate(zip(files, answers, strict=True), start=1):
            tree = answer.value() if answer.status == 0 else None
            if isinstance(tree, dict) and "package" in tree:
                source = files[file].decode(errors="replace")
                modules.append(Module(file, _package(tree), tree, source))
            else:
                findings += _errors(answer, file)
            if progress is not None:
                progress(done, len(files))
    return modules, findings


def compile_modules(opa: OpaProgram) -> list[Finding]:
    """What `opa check --strict` finds in the program's folder. OPA compiles in stages and ends with
    the first that fails, so that mending may bring new findings to light."""
    flags = ["--strict", "--bundle", "--format=json", "--max-errors=0"]
    answer = opa.run(["check", *flags, "."], COMPILE_SECONDS)
    return [] if answer.status == 0 else _errors(answer, manifest.PATH)


def _parse(opa: OpaProgram, file: str) -> OpaAnswer:
    return opa.run(
        ["parse", "--format=json", "--json-include=locations,-comments", file], PARSE_SECONDS
    )


def _package(tree: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(part["value"]) for part in tree["package"]["path"][1:])


def _errors(answer: OpaAnswer, file: str) -> list[Finding]:
    try:
        value = json.loads(answer.stderr.strip() or answer.stdout)
    except (ValueError, RecursionError):
        value = None
    errors = value.get("errors") if isinstance(value, dict) else None
    if not isinstance(errors, list) or not errors:
        raise EngineError(f"opa: {answer.words()}")
    return [_finding(error, file) for error in errors]


def _finding(error: Any, file: str) -> Finding:
    location = error.get("location") or {}
    place = Place(
        str(location.get("file") or file).removeprefix("./"),
        max(1, location.get("row") or 1),
        max(1, location.get("col") or 1),
    )
    mend = _MENDS.get(str(error.get("code")), "mend the module as OPA asks")
    message = str(error.get("message", "OPA refuses it")).removeprefix("bundle .: ")
    return found("compile", place, message, mend)
