"""Data keeps to the schemas that the bundle brings, and the message never shows a value."""

import json

import pytest

from gateway.bundles.schemas import verify_schemas
from gateway.errors import BundleError

DATA = "data/x/data.yaml"
SCHEMA = "schemas/x/schema.json"


def verify(data: bytes, schema: object) -> None:
    verify_schemas({DATA: data, SCHEMA: json.dumps(schema).encode()})


def test_what_keeps_to_its_schema_passes() -> None:
    rows = {"type": "array", "items": {"$ref": "#/$defs/row"}}
    row = {"type": "object", "required": ["id"], "properties": {"id": {"pattern": "^[a-z]+$"}}}
    verify(b"rows: [{id: a}]", {"properties": {"rows": rows}, "$defs": {"row": row}})


def test_data_without_a_schema_and_schemas_without_data_pass() -> None:
    verify_schemas({DATA: b"a: 1", "schemas/y/schema.json": b"{", "schemas/input.json": b"{}"})


@pytest.mark.parametrize(
    ("data", "schema", "message"),
    [
        (b"secret", {"type": "object"}, f"{DATA}: must hold an object"),
        (b"a: [{b: secret}]", {"properties": {"a": {"items": {"required": ["c"]}}}},
         f"{DATA}: a[0]: must satisfy required: ['c'] (asked by {SCHEMA})"),
        (b"secret: 1", {"additionalProperties": False}, "the whole file: has a name that is not"),
        (b"a: secret", {"properties": {"a": {"pattern": "^x"}}}, "a: must satisfy pattern: ^x"),
        (b"a: secret", {"properties": {"a": {"enum": ["x"]}}}, "a: must satisfy enum: ['x']"),
    ],
)  # fmt: skip
def test_what_breaks_its_schema_is_named(data: bytes, schema: object, message: str) -> None:
    with pytest.raises(BundleError) as refused:
        verify(data, schema)
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"type": "nothing"},
        {"$ref": "#"},
        {"$ref": "#/$defs/absent"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$id": "http://127.0.0.1:9/", "$ref": "a"},
        {"$dynamicRef": "#a"},
        {"patternProperties": {"(a+)+$": {}}},
        {"properties": {"a": {"pattern": "("}}},
        {"properties": {"a": {"pattern": "(?=x)"}}},
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: object) -> None:
    with pytest.raises(BundleError, match=SCHEMA):
        verify(b"a: x", schema)


def test_a_pattern_takes_linear_time() -> None:
    """Python's own expressions would take longer than the universe has."""
    with pytest.raises(BundleError, match="must satisfy pattern"):
        verify(b"a: " + b"a" * 5_000 + b"!", {"properties": {"a": {"pattern": "^(a+)+$"}}})
