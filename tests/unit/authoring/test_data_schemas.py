"""Data against JSON Schemas: the place, a sentence without values, and the mend."""

import json
from typing import Any

import pytest

from gateway.authoring.data_schemas import check_schemas
from tests.unit.authoring.planted import document, plant

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["rows"],
    "additionalProperties": False,
    "properties": {
        "rows": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/row"}},
        "share": {"type": "integer", "minimum": 1, "maximum": 1000},
        "level": {"enum": ["hard", "soft"]},
        "names": {"type": "array", "uniqueItems": True},
    },
    "$defs": {
        "row": {
            "type": "object",
            "required": ["id", "owner"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string", "pattern": "^[a-z]+$"},
                "owner": {"type": "string", "minLength": 1},
                "regex": {"type": "string"},
                "glob": {"type": "string"},
            },
            "oneOf": [{"required": ["regex"]}, {"required": ["glob"]}],
        }
    },
}
GOOD = "rows:\n  - {id: a, owner: b, regex: c}\n"


def check(text: str, schema: Any = SCHEMA) -> list[tuple[str, str]]:
    """(place, message) of each finding."""
    files = {"schemas/demo/schema.json": json.dumps(schema).encode()}
    findings = check_schemas(files, [document(text)])
    return [(f"{one.line}:{one.column}", one.message) for one in findings]


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        ("«data-schema»share: 1\n", "rows is missing"),
        ("rows: «data-schema»[]\n", "rows has fewer than 1 item"),
        ("rows: «data-schema»secret\n", "rows is not a list"),
        (GOOD + "«data-schema»secret: 1\n", "the name 'secret' is unknown here"),
        (GOOD + "share: «data-schema»0\n", "share is not at least 1"),
        (GOOD + "share: «data-schema»1001\n", "share is not at most 1000"),
        (GOOD + 'share: «data-schema»"1"\n', "share is not a whole number"),
        (GOOD + "level: «data-schema»secret\n", "level is none of the values allowed"),
        (GOOD + "names: «data-schema»[s, s]\n", "names holds a value twice"),
        ("rows:\n  - «data-schema»{id: a, regex: b}\n", "owner is missing"),
        ("rows:\n  - {id: «data-schema»A, owner: b, glob: c}\n", "rows[0].id is not of the form"),
        ("rows:\n  - {id: a, owner: «data-schema»'', glob: c}\n", "rows[0].owner is empty"),
        (
            "rows:\n  - «data-schema»{id: a, owner: b, glob: c, regex: d}\n",
            "exactly one of regex, glob is wanted",
        ),
        ("rows:\n  - «data-schema»{id: a, owner: b}\n", "exactly one of regex, glob is wanted"),
    ],
)
def test_a_defect_is_told_at_its_place(marked: str, message: str) -> None:
    files, expected = plant({"data/demo/data.yaml": marked})
    ((_, _, line, column),) = expected
    ((place, told),) = check(files["data/demo/data.yaml"].decode())
    assert place == f"{line}:{column}"
    assert told.startswith(message)


def test_good_data_is_good_and_all_defects_are_told() -> None:
    assert check(GOOD + "share: 5\nlevel: hard\nnames: [a, b]\n") == []
    told = check("rows:\n  - {regex: b}\n  - {id: A, owner: b, glob: c, odd: 1}\nshare: 0\n")
    assert {message.partition(" is ")[0] for _, message in told} == {
        "id",
        "owner",
        "rows[1].id",
        "the name 'odd'",
        "share",
    }


@pytest.mark.parametrize(
    "reference", ["http://127.0.0.1:1/schema.json", "../other.json", "#/$defs/absent"]
)
def test_a_schema_fetches_nothing(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a schema was fetched")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    ((_, message),) = check(GOOD, {"$ref": reference})
    assert message.startswith("the schema refers to ")


def test_a_file_is_held_to_its_own_schema_or_that_of_the_nearest_table_above() -> None:
    files = {
        "schemas/controls/schema.json": b'{"required": ["a"]}',
        "schemas/controls/pci/schema.json": b'{"required": ["b"]}',
        "schemas/family/schema.json": b'{"required": ["c"]}',
    }
    documents = [
        document("x: 1", "data/controls/data.yaml"),
        document("x: 1", "data/controls/sox/eu/data.yaml"),
        document("x: 1", "data/controls/pci/data.yaml"),
        document("family: {}", "data/nydfs/data.yaml"),
        document("x: 1", "data/other/data.yaml"),
    ]
    findings = check_schemas(files, documents)
    assert [one.message for one in findings] == [
        "a is missing",
        "a is missing",
        "b is missing",
        "c is missing",
        "no JSON Schema says what this table holds",
    ]
    assert findings[-1].mend == "write schemas/other/schema.json"
