"""Values of data files keep their places, in YAML and in JSON."""

import pytest

from gateway.authoring.finding import Place
from gateway.authoring.positions import read_document, split_message
from gateway.errors import BundleError

YAML = """\
# a comment
rows:
  - {id: a, "quoted": "x: y"}
  -   id: b
      text: |
        several
        lines
same: &same [1, 2]
again: *same
"""

JSON = """\
{"rows": [{"id": "a, [b]", "n": -1.5e3},
\t{"\\u0069d": "\\"", "e": {}, "t": true}],
"z": null}"""


def text_at(text: str, place: Place) -> str:
    """The rest of the line that a place stands in."""
    return text.splitlines()[place.line - 1][place.column - 1 :]


@pytest.mark.parametrize(
    ("path", "begins"),
    [
        ((), "rows:"),
        (("rows",), "- {id"),
        (("rows", 0), "{id: a"),
        (("rows", 0, "quoted"), '"x: y"'),
        (("rows", 1), "id: b"),
        (("rows", 1, "text"), "|"),
        (("same",), "&same"),
        (("same", 1), "2]"),
        (("again",), "*same"),
        (("again", 1), "*same"),
    ],
)
def test_values_of_yaml_have_places(path: tuple[str | int, ...], begins: str) -> None:
    place = read_document("d.yaml", YAML.encode()).place(path)
    assert text_at(YAML, place).startswith(begins)


@pytest.mark.parametrize(
    ("path", "begins"),
    [
        ((), '{"rows'),
        (("rows", 0, "id"), '"a, [b]"'),
        (("rows", 0, "n"), "-1.5e3"),
        (("rows", 1), '{"\\u'),
        (("rows", 1, "id"), '"\\""'),
        (("rows", 1, "e"), "{}, "),
        (("rows", 1, "t"), "true"),
        (("z",), "null}"),
    ],
)
def test_values_of_json_have_places(path: tuple[str | int, ...], begins: str) -> None:
    place = read_document("d.json", JSON.encode()).place(path)
    assert text_at(JSON, place).startswith(begins)


def test_names_have_places_and_what_has_none_is_where_its_parent_is() -> None:
    yaml, json = read_document("d.yaml", YAML.encode()), read_document("d.json", JSON.encode())
    assert text_at(YAML, yaml.name_place(("rows", 0, "quoted"))).startswith('"quoted"')
    assert text_at(YAML, yaml.name_place(("rows", 1, "text"))).startswith("text:")
    assert text_at(YAML, yaml.name_place(("rows", 0, "absent"))).startswith("{id: a")
    assert text_at(JSON, json.name_place(("rows", 1, "id"))).startswith('"\\u0069d"')


def test_a_long_line_of_json_takes_no_long_time() -> None:
    text = "[" + ",".join(["[]"] * 200_000) + "]"
    assert read_document("d.json", text.encode()).place((199_999,)).column == 3 * 199_999 + 2


@pytest.mark.parametrize("content", [b"a: [", b"\xff", b"a: 1\na: 2"])
def test_what_is_no_yaml_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"d\.yaml"):
        read_document("d.yaml", content)


def test_the_place_at_the_head_of_a_message_is_split_off() -> None:
    assert split_message("d.yaml:3:4: odd: this", "d.yaml") == (Place("d.yaml", 3, 4), "odd: this")
    assert split_message("d.yaml: odd", "d.yaml") == (Place("d.yaml"), "odd")
