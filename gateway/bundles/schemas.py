"""Data against the JSON Schemas that the bundle brings: `schemas/<place>/schema.json` describes
what `data/<place>/data.yaml` holds.

A schema is somebody's text, too: it reaches nothing outside itself, and its patterns are RE2's,
whose time is bounded. `gateway policy check` says the same with line and column, and asks for a
schema for every file; here only what is described must hold.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import re2
from jsonschema import (  # type: ignore[import-untyped]  # its stubs are not among our tools
    Draft202012Validator,
    validators,
)
from jsonschema.exceptions import SchemaError, ValidationError  # type: ignore[import-untyped]
from referencing import Registry
from referencing.exceptions import Unresolvable

from gateway.bundles.documents import is_data_document, parse_json, read_data
from gateway.errors import BundleError

_SCHEMA_FOLDER, _SCHEMA_NAME = "schemas", "schema.json"
# Python's own regular expressions, and names that reach elsewhere.
_REFUSED = ("$dynamicRef", "$id", "patternProperties", "unevaluatedProperties")
_SHOWN = 200


def verify_schemas(files: Mapping[str, bytes]) -> None:
    """Raises BundleError that names the file, the place inside and what the schema asks there, but
    never the value."""
    for path, content in files.items():
        if not is_data_document(path):
            continue
        folders = path.split("/")[1:-1]
        schema_path = "/".join([_SCHEMA_FOLDER, *folders, _SCHEMA_NAME])
        if schema_path in files:
            _verify_document(path, content, schema_path, files[schema_path])


def _verify_document(path: str, content: bytes, schema_path: str, schema_text: bytes) -> None:
    schema = parse_json(schema_path, schema_text)
    if not isinstance(schema, dict):
        raise BundleError(f"{schema_path}: a schema must be an object")
    _verify_words(schema_path, schema)
    document: Any = read_data({path: content})
    for name in path.split("/")[:-1]:
        document = document[name]
    try:
        Draft202012Validator.check_schema(schema)
        # An empty registry has nothing to give and fetches nothing.
        found = next(_Validator(schema, registry=Registry()).iter_errors(document), None)
    except (SchemaError, Unresolvable, re2.error, RecursionError) as error:
        raise BundleError(f"{schema_path}: not a usable schema: {type(error).__name__}") from None
    if found is not None:
        raise BundleError(f"{path}: {_place(found)}: {_asked(found)} (asked by {schema_path})")


def _place(error: ValidationError) -> str:
    text = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path
    )
    return text.removeprefix(".")[:_SHOWN] or "the whole file"


def _asked(error: ValidationError) -> str:
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        return "has a name that is not foreseen"
    return f"must satisfy {error.validator}: {error.validator_value}"[:_SHOWN]


def _verify_words(schema_path: str, value: Any) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            if name in _REFUSED or (
                name == "$ref" and isinstance(item, str) and not item.startswith("#")
            ):
                raise BundleError(f"{schema_path}: {name} is not used in schemas here; remove it")
            _verify_words(schema_path, item)
    elif isinstance(value, list):
        for item in value:
            _verify_words(schema_path, item)


def _pattern(_: Any, pattern: str, text: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(text, str) and not re2.search(pattern, text):
        yield ValidationError("does not match")


_Validator: Any = validators.extend(Draft202012Validator, {"pattern": _pattern})
