"""A bundle's data files, each read with its places; what cannot be read hides nothing else."""

from collections.abc import Mapping
from typing import Any

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding, Place
from gateway.authoring.opa_program import OpaProgram
from gateway.authoring.positions import Document, read_document, split_message
from gateway.bundles.acceptance import first_difference
from gateway.bundles.documents import is_data_document, read_data
from gateway.errors import BundleError, EngineError
from gateway.wire.documents import Path

DATA = "data"
EVAL_SECONDS = 30.0


def read_data_files(files: Mapping[str, bytes]) -> tuple[list[Document], list[Finding]]:
    """The documents that policies see, and a finding for each data file that is none."""
    documents, findings = [], []
    for path, content in files.items():
        try:
            tree = read_data({path: content})
            if tree or is_data_document(path):
                documents.append(read_document(path, content))
        except BundleError as error:
            findings.append(_unreadable(path, str(error)))
    return documents, findings


def merge_documents(
    files: Mapping[str, bytes], documents: list[Document]
) -> tuple[dict[str, Any], list[Finding]]:
    """The tree below Rego's `data`, and a finding for each file that gives what another gives;
    such a file is left out of the tree."""
    findings: list[Finding] = []
    merged = {document.file: files[document.file] for document in documents}
    while True:
        try:
            return read_data(merged), findings
        except BundleError as error:
            file, _, sentence = str(error).partition(": ")
            findings.append(
                found("data-collision", Place(file), sentence, "give each name in one file alone")
            )
            del merged[file]


def compare_readings(
    opa: OpaProgram, tree: Mapping[str, Any], documents: list[Document]
) -> list[Finding]:
    """The first value that OPA reads otherwise (YAML 1.1: `on`, `12:30`) in the program's folder.
    The floor is made from our reading and the policies run on OPA's."""
    flags = ["--bundle", ".", "--format=json", f"data.{DATA}"]
    answer = opa.run(["eval", *flags], EVAL_SECONDS)
    value = answer.value()
    try:
        theirs = value["result"][0]["expressions"][0]["value"] if value["result"] else {}
    except (TypeError, KeyError, IndexError):
        if answer.status == 0:
            theirs = {}
        else:
            raise EngineError(f"opa eval: {answer.words()}") from None
    path = first_difference(tree.get(DATA, {}), theirs, DATA)
    if path is None:
        return []
    return [
        found(
            "data-read-differently",
            place_below(documents, _steps(path)),
            f"OPA reads {path} differently",
            "write the value in quotes",
        )
    ]


def place_below(documents: list[Document], path: Path) -> Place:
    """Where the value at a path of the tree stands, in the file that gives it."""
    for document in documents:
        folders = tuple(document.file.split("/")[:-1])
        if path[: len(folders)] == folders and path[len(folders) :] in document.places.values:
            return document.place(path[len(folders) :])
    return Place(documents[0].file if documents else DATA)


def _unreadable(path: str, message: str) -> Finding:
    place, sentence = split_message(message, path)
    rule = "data-unreadable" if is_data_document(path) else "data-left-out"
    problem, _, mend = sentence.partition("; ")
    if rule == "data-left-out":
        return found(
            rule,
            place,
            "OPA leaves this file out: it reads only files named data.yaml or data.json",
            "put it in a folder of its own, as data.yaml",
        )
    return found(rule, place, problem, mend or "mend it there")


def _steps(path: str) -> Path:
    """`data.a.b[0].c` as steps; names that hold dots or brackets come out wrong, and have no
    place."""
    steps: list[str | int] = []
    for part in path.split("."):
        name, *indexes = part.split("[")
        steps.append(name)
        steps += [int(index[:-1]) for index in indexes if index[:-1].isdigit()]
    return tuple(steps)
