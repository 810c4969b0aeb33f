"""Data against the JSON Schemas of the bundle (draft 2020-12), with the place and the mend.

Messages are ours: those of the library show values, and values may be sensitive.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are not among our tools
import referencing.exceptions
import referencing.jsonschema

from gateway.authoring.catalogue import found
from gateway.authoring.finding import Finding, Place
from gateway.authoring.positions import Document, read_document, split_message
from gateway.errors import BundleError
from gateway.wire.documents import Path

SCHEMAS = "schemas"
FAMILY = "family"
_SCHEMA_FILE = "schema.json"
_SHOWN = 60
# Nothing is fetched: a schema may refer to itself and to the standard's own schemas.
_REGISTRY = referencing.jsonschema.EMPTY_REGISTRY
_KINDS = {
    "object": "an object (name: value)",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def check_schemas(files: Mapping[str, bytes], documents: Sequence[Document]) -> list[Finding]:
    """Every data document against its schema, and every schema against the standard."""
    findings: list[Finding] = []
    schemas: dict[str, Any] = {}
    for path, content in files.items():
        if path.startswith(f"{SCHEMAS}/") and path.endswith(f"/{_SCHEMA_FILE}"):
            schemas[path] = _read_schema(path, content, findings)
    for document in documents:
        path = schema_path(document, schemas)
        if path not in schemas:
            findings.append(
                found(
                    "schema-missing",
                    Place(document.file),
                    "no JSON Schema says what this table holds",
                    f"write {path}",
                )
            )
        elif schemas[path] is not None:
            findings += _validate(document, path, schemas[path])
    return findings


def schema_path(document: Document, schemas: Mapping[str, Any]) -> str:
    """A family's file has the families' schema; another table that of its folder, or of the nearest
    folder above it that has one."""
    folders = document.file.split("/")[1:-1]
    if isinstance(document.value, dict) and FAMILY in document.value:
        return f"{SCHEMAS}/{FAMILY}/{_SCHEMA_FILE}"
    for length in range(len(folders), 0, -1):
        path = "/".join([SCHEMAS, *folders[:length], _SCHEMA_FILE])
        if path in schemas:
            return path
    return "/".join([SCHEMAS, *folders, _SCHEMA_FILE])


def _read_schema(path: str, content: bytes, findings: list[Finding]) -> Any:
    try:
        document = read_document(path, content)
    except BundleError as error:
        place, sentence = split_message(str(error), path)
        findings.append(found("schema-invalid", place, sentence, "mend the JSON"))
        return None
    try:
        jsonschema.Draft202012Validator.check_schema(document.value)
    except jsonschema.SchemaError as error:
        where = tuple(error.absolute_path)
        findings.append(
            found(
                "schema-invalid",
                document.place(where),
                f"{_written(where)} is not as JSON Schema 2020-12 says",
                f"see its keyword {error.validator}",
            )
        )
        return None
    return document.value


def _validate(document: Document, schema_file: str, schema: Any) -> Iterator[Finding]:
    validator = jsonschema.Draft202012Validator(schema, registry=_REGISTRY)
    try:
        for error in validator.iter_errors(document.value):
            yield from _explain(document, error)
    except referencing.exceptions.Unresolvable as error:
        yield found(
            "schema-invalid",
            Place(schema_file),
            f"the schema refers to {str(error.ref)[:_SHOWN]}, which it does not hold",
            "write that part below $defs of the same file",
        )


def _explain(document: Document, error: Any) -> Iterator[Finding]:
    path: Path = tuple(error.absolute_path)
    at, wanted = document.place(path), error.validator_value
    match error.validator:
        case "required":
            # One error comes for each absent name, all alike; findings are told apart later.
            for name in [name for name in wanted if name not in error.instance]:
                yield found("data-schema", at, f"{name} is missing", f"add {name}")
        case "additionalProperties" | "unevaluatedProperties":
            for name in _unexpected(error):
                place = document.name_place((*path, name))
                text = f"the name {name[:_SHOWN]!r} is unknown here"
                yield found("data-schema", place, text, _known_names(error.schema))
        case "oneOf" | "anyOf" if names := _alternatives(wanted):
            text = f"{'exactly one' if error.validator == 'oneOf' else 'one'} of {names} is wanted"
            yield found("data-schema", at, text, "write that one")
        case _:
            text, mend = _sentence(error.validator, wanted)
            yield found("data-schema", at, f"{_written(path)} {text}", mend)


def _sentence(keyword: str, wanted: Any) -> tuple[str, str]:
    match keyword:
        case "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            kind = " or ".join(_KINDS.get(str(kind), str(kind)) for kind in kinds)
            return f"is not {kind}", f"write {kind}"
        case "enum":
            return "is none of the values allowed", f"write one of {', '.join(map(str, wanted))}"
        case "const":
            return "is not the value wanted", f"write {wanted}"
        case "pattern":
            return f"is not of the form {wanted}", "write it in that form"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            bound = {"minimum": "at least", "maximum": "at most"}
            text = bound.get(keyword, "more than" if "Min" in keyword else "less than")
            return f"is not {text} {wanted}", "change the number"
        case "minLength" if wanted == 1:
            return "is empty", "write some text"
        case "minItems" | "minLength" | "minProperties":
            return f"has fewer than {_counted(keyword, wanted)}", "add what is missing"
        case "maxItems" | "maxLength" | "maxProperties":
            return f"has more than {_counted(keyword, wanted)}", "remove what is too much"
        case "uniqueItems":
            return "holds a value twice", "remove one"
    return f"does not hold by the schema's {keyword}", "compare it with the schema"


def _counted(keyword: str, number: Any) -> str:
    noun = {"Length": "character", "Items": "item"}.get(keyword[3:], "name")
    return f"{number} {noun}{'s' * (number != 1)}"


def _unexpected(error: Any) -> Iterable[str]:
    known = error.schema.get("properties", {})
    return [name for name in error.instance if name not in known]


def _known_names(schema: Mapping[str, Any]) -> str:
    known = sorted(schema.get("properties", {}))
    return f"remove it, or use one of {', '.join(known)}" if known else "remove it"


def _alternatives(branches: Any) -> str:
    """`regex, glob` for branches that each ask for one name."""
    names: list[str] = []
    for branch in branches:
        required = branch.get("required") if isinstance(branch, Mapping) else None
        if not isinstance(required, list) or not required:
            return ""
        names.append(" and ".join(map(str, required)))
    return ", ".join(names)


def _written(path: Path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step[:_SHOWN]}"
    return text.lstrip(".") or "the document"
