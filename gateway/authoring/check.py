"""`gateway policy check`: every lint over one bundle, all findings at once.

What cannot be read hides nothing but what follows from it: where a data file or a rule cannot be
read, controls that nobody lists or claims are not reported, since the file may do so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from gateway.authoring.catalogue import found
from gateway.authoring.controls import (
    check_control_ids,
    check_control_names,
    check_families,
    check_reviews,
    check_row_ids,
)
from gateway.authoring.cut_names import are_cut_names_kept
from gateway.authoring.data_files import (
    DATA,
    compare_readings,
    merge_documents,
    place_below,
    read_data_files,
)
from gateway.authoring.data_schemas import check_schemas
from gateway.authoring.declared_input import check_reads
from gateway.authoring.finding import Finding, Place, ordered
from gateway.authoring.floor_rows import check_floor_rows
from gateway.authoring.input_reads import find_input_reads
from gateway.authoring.metadata import (
    ControlClaim,
    ListClaim,
    check_metadata,
    check_packages,
    check_rules,
    rules_of,
)
from gateway.authoring.modules import Module, Progress, compile_modules, parse_modules
from gateway.authoring.opa_program import open_program
from gateway.authoring.pattern_lint import check_patterns
from gateway.authoring.positions import Document, split_message
from gateway.authoring.retention import check_retention
from gateway.authoring.rows import find_rows
from gateway.authoring.scopes import check_scopes
from gateway.authoring.traffic import Traffic
from gateway.bundles import manifest
from gateway.bundles.acceptance import CAPABILITIES, restricted_capabilities
from gateway.bundles.declaration import read_declaration
from gateway.bundles.files import read_files
from gateway.bundles.limits import DEFAULT_LIMITS
from gateway.errors import BundleError

REGO = ".rego"
_NO_BUILTINS = {CAPABILITIES: b'{"builtins": []}'}


def check_bundle(
    folder: Path,
    opa: Path,
    *,
    today: date,
    traffic: Traffic | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    """Every finding over a bundle, by place. `progress` is called with how many of how many
    modules are parsed. Raises BundleError when the folder cannot be read or OPA cannot be run,
    EngineError when OPA answers as nobody documented. Takes seconds."""
    return check_files(
        read_files(folder, DEFAULT_LIMITS), opa, today=today, traffic=traffic, progress=progress
    )


def check_files(
    files: Mapping[str, bytes],
    opa: Path,
    *,
    today: date,
    traffic: Traffic | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    """The same over files, by their path below the bundle's root."""
    files = dict(sorted(files.items()))
    data = _read(files)
    rego = _check_rego(files, data, opa, progress)
    rows = find_rows(data.documents)
    findings = [*data.findings, *rego.findings]
    findings += check_control_ids(rows)
    findings += check_row_ids(rows)
    findings += check_families(rows)
    findings += check_floor_rows(rows)
    findings += check_reviews(rows, today)
    findings += check_retention(rows)
    if data.is_whole:
        findings += check_scopes(rows, data.tree)
    findings += check_patterns(rows, traffic, rego.are_cut_names_kept)
    if data.is_whole and rego.is_whole:
        findings += check_control_names(rows, rego.claims, rego.lists)
    # Last: where a lint and a schema say the same, the lint is kept.
    return ordered([*findings, *check_schemas(files, data.documents)])


@dataclass(frozen=True, slots=True)
class _Data:
    documents: list[Document]
    tree: dict[str, Any]
    is_whole: bool
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class _Rego:
    findings: list[Finding]
    claims: list[ControlClaim]
    lists: list[ListClaim]
    is_whole: bool
    are_cut_names_kept: bool | None


def _read(files: Mapping[str, bytes]) -> _Data:
    documents, unreadable = read_data_files(files)
    tree, collisions = merge_documents(files, documents)
    findings = [*unreadable, *collisions]
    try:
        manifest.read_manifest(files.get(manifest.PATH, b""))
    except BundleError as error:
        text = split_message(str(error), manifest.PATH)[1] if manifest.PATH in files else "missing"
        findings.append(
            found("manifest", Place(manifest.PATH), text, "see docs/formats.md section 8")
        )
    return _Data(documents, tree, not (unreadable or collisions), findings)


def _check_rego(
    files: Mapping[str, bytes], data: _Data, opa: Path, progress: Progress | None
) -> _Rego:
    findings: list[Finding] = []
    capabilities: Mapping[str, bytes] = files
    try:
        restricted_capabilities(files)
    except BundleError as error:
        text = split_message(str(error), CAPABILITIES)[1]
        findings.append(
            found("capabilities", Place(CAPABILITIES), text, "see `opa capabilities --current`")
        )
        capabilities = _NO_BUILTINS
    sources = {path: content for path, content in files.items() if path.endswith(REGO)}
    readable = {document.file: files[document.file] for document in data.documents}
    has_manifest = not any(finding.rule == "manifest" for finding in data.findings)
    around = {manifest.PATH: files[manifest.PATH]} if has_manifest else {}
    served = {**sources, **readable, **around} if data.is_whole else {**sources, **around}
    with open_program(opa, served, capabilities) as program:
        modules, syntax = parse_modules(program, sources, progress)
        if capabilities is files and not syntax:
            findings += compile_modules(program)
        is_askable = data.is_whole and not findings and not syntax
        keeps_cut_names = are_cut_names_kept(program) if is_askable else None
    if data.is_whole and data.documents:
        with open_program(opa, {**readable, **around}, capabilities) as program:
            findings += compare_readings(program, data.tree, data.documents)
    rego = _check_modules(modules, data)
    return replace(
        rego,
        findings=[*findings, *syntax, *rego.findings],
        is_whole=not syntax,
        are_cut_names_kept=keeps_cut_names,
    )


def _check_modules(modules: list[Module], data: _Data) -> _Rego:
    claims: list[ControlClaim] = []
    lists: list[ListClaim] = []
    findings = [*check_packages(modules), *check_rules(modules)]
    for module in rules_of(modules):
        problems, own_claims, own_lists = check_metadata(module)
        findings += problems
        claims += own_claims
        lists += own_lists
    attributes, problems = _declared(data)
    findings += problems
    findings += check_reads(find_input_reads(modules, data.tree), attributes)
    return _Rego(findings, claims, lists, is_whole=True, are_cut_names_kept=None)


def _declared(data: _Data) -> tuple[tuple[str, ...] | None, list[Finding]]:
    """The attributes that policies may read; None where their declaration cannot be read."""
    documents = data.tree.get(DATA)
    value = documents.get("class") if isinstance(documents, dict) else None
    if value is None and not data.is_whole:
        return None, []
    try:
        return read_declaration(value).attributes, []
    except BundleError as error:
        place = place_below(data.documents, (DATA, "class"))
        if place.file.split("/")[:2] != [DATA, "class"]:
            place = Place("data/class/data.yaml")
        text = split_message(str(error), "data/class/data.yaml")[1]
        return None, [found("data-schema", place, text, "see docs/formats.md section 2")]
