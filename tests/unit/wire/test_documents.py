"""YAML is read YAML 1.2's way, bounded, and refused with the place."""

import pytest
import yaml

from gateway.errors import ConfigError
from gateway.wire import documents
from gateway.wire.documents import DocumentLimits, load_yaml, load_yaml_with_places


@pytest.fixture(params=["with libyaml", "pure Python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML comes with and without libyaml; both must read alike."""
    if request.param == "pure Python":
        monkeypatch.setattr(documents, "_PARSER", yaml.SafeLoader)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"),
        ("1:20:30", "1:20:30"),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("true", True),
        ("False", False),
        ("'true'", "true"),
        ("!!str true", "true"),
        ("! 12", "12"),
        ("~", None),
        ("null", None),
        ("", None),
        ("07", 7),
        ("-12", -12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("+0.1", 0.1),
        ("1.2.3", "1.2.3"),
        ("٣", "٣"),
        ("=", "="),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    read = load_yaml(f"a: {text}\n", "f.yaml")["a"]
    assert read == value
    assert type(read) is type(value)


def test_names_that_yaml_1_1_reads_as_booleans_stay_text() -> None:
    assert load_yaml("on: 1\nno: 2\n", "f.yaml") == {"on": 1, "no": 2}


def test_an_empty_document_is_none_and_a_byte_order_mark_is_skipped() -> None:
    assert load_yaml("", "f") is None
    assert load_yaml("# only a comment\n", "f") is None
    assert load_yaml("\ufeffa: 1", "f") == {"a": 1}


def test_aliases_repeat_a_value() -> None:
    assert load_yaml("a: &x {q: [1]}\nb: *x\n", "f") == {"a": {"q": [1]}, "b": {"q": [1]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "f.yaml:4:3: the name 'c' stands twice"),
        ("{a: 1, 'a': 2}", "f.yaml:1:8: the name 'a' stands twice"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document"),
        ("a: [1, 2", "f.yaml:"),
        ("a:\n\t- b", "f.yaml:2:1: not YAML"),
        ("a: !!python/object/apply:os.system [x]", "f.yaml:1:4: a tag beyond"),
        ("a: !!binary aGk=", "f.yaml:1:4: a tag beyond"),
        ("a: !!int '1'", "f.yaml:1:4: a tag beyond"),
        ("a: &x [*x]", "f.yaml:1:8: an alias of what is not complete"),
        ("a: *nothing", "f.yaml:1:4: an alias of what is not complete"),
        ("1: x", "f.yaml:1:1: a name must be text"),
        ("true: x", "f.yaml:1:1: a name must be text"),
        ("? [a]\n: x", "f.yaml:1:3: a name must be text"),
        ("b: &x {q: 1}\na:\n  <<: *x", "f.yaml:3:3: merge keys"),
        ("a: .nan", "f.yaml:1:4: a number must be finite"),
        ("a: -.inf", "f.yaml:1:4: a number must be finite"),
        ("a: 1e999", "f.yaml:1:4: a number must be finite"),
        ("a: " + "9" * 5000, "f.yaml:1:4: a number of too many digits"),
        ("a: 1\nb: \x07", "f.yaml:2:4: a character that YAML does not allow"),
        ("a: \udcff", "f.yaml:1"),
    ],
)
def test_what_is_refused_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_yaml(text, "f.yaml")
    assert str(caught.value).startswith(message)


def test_no_value_stands_in_a_message() -> None:
    secret = "hunter2-secret"
    for text in (
        f"a: {secret}\na: {secret}\n",
        f"a: [{secret}",
        f"a: !x {secret}",
        f"{secret}: *q",
    ):
        with pytest.raises(ConfigError) as caught:
            load_yaml(f"p: {secret}\n" + text, "f.yaml")
        assert secret not in str(caught.value)


def test_an_alias_bomb_is_refused() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    with pytest.raises(ConfigError, match="aliases expand to too much"):
        load_yaml("\n".join(levels), "f.yaml")


def test_depth_size_and_count_are_bounded() -> None:
    with pytest.raises(ConfigError, match=r"f:1:65: nested deeper than 64"):
        load_yaml("[" * 500 + "]" * 500, "f")
    with pytest.raises(ConfigError, match=r"f:1:"):
        load_yaml("[" * 50_000, "f")
    with pytest.raises(ConfigError, match="longer than 10 characters"):
        load_yaml("a: 'longer than it may be'", "f", DocumentLimits(max_characters=10))
    with pytest.raises(ConfigError, match="more than 5 values"):
        load_yaml("[1, 2, 3, 4, 5, 6]", "f", DocumentLimits(max_nodes=5))
    assert load_yaml("[" * 64 + "]" * 64, "f")


def test_each_value_and_each_name_has_its_place() -> None:
    value, places = load_yaml_with_places("# c\na:\n  - {b: 1}\n  - é: [x, y]\n", "f")
    assert value == {"a": [{"b": 1}, {"é": ["x", "y"]}]}
    assert places.names == {("a",): (2, 1), ("a", 0, "b"): (3, 6), ("a", 1, "é"): (4, 5)}
    assert places.values[()] == (2, 1)
    assert places.values[("a", 0)] == (3, 5)
    assert places.values[("a", 0, "b")] == (3, 9)
    assert places.values[("a", 1, "é", 1)] == (4, 12)


def test_places_are_bounded_as_values_are() -> None:
    with pytest.raises(ConfigError, match="longer than 3 characters"):
        load_yaml_with_places("a: 1", "f", DocumentLimits(max_characters=3))
    with pytest.raises(ConfigError, match="f:2:1: the name 'a' stands twice"):
        load_yaml_with_places("a: 1\na: 2", "f")
