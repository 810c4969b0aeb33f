import hashlib
import math
from typing import Any

import pytest

from gateway.errors import CanonicalError
from gateway.wire.classes import (
    ClassDeclaration,
    ProcessClass,
    Sender,
    class_id,
    permille_up,
    project,
    requested_permille,
)

DECLARATION = ClassDeclaration(("service.name", "process.executable.name"), (250, 500, 1000))
SENDER = Sender("production", "eu-west-1", "unlisted")


def test_the_canonical_form_is_the_documented_one() -> None:
    found = project(
        DECLARATION, SENDER, {"process.executable.name": "log-shipper"}, "drop", None, 0.1, "bal"
    )
    expected = (
        b'{"action":"drop","attributes":{"process.executable.name":"log-shipper"},'
        b'"environment":"production","profile":"bal","region":"eu-west-1","sample_permille":0,'
        b'"score":250,"tier":"unlisted"}'
    )
    assert found.canonical() == expected
    assert found.key() == hashlib.sha256(b"compliance-gateway/class/v1\n" + expected).hexdigest()
    salt = b"s" * 32
    plain = hashlib.sha256(b"compliance-gateway/class-id/v1\n" + salt + expected).hexdigest()
    assert class_id(salt, expected) == plain[:48]


def test_the_order_of_declaration_and_of_attributes_does_not_matter() -> None:
    attributes = {"process.executable.name": "a", "service.name": "b", "process.pid": "7"}
    turned = ClassDeclaration(DECLARATION.attributes[::-1], DECLARATION.score_edges)
    mirrored = dict(reversed(attributes.items()))
    assert project(DECLARATION, SENDER, attributes, "drop") == project(
        turned, SENDER, mirrored, "drop"
    )


def test_what_is_not_declared_is_not_in_the_class() -> None:
    plain = project(DECLARATION, SENDER, {"service.name": "a"}, "drop")
    noisy = {"service.name": "a", "process.pid": 7, "process.command_line": ["x"]}
    assert project(DECLARATION, SENDER, noisy, "drop") == plain


@pytest.mark.parametrize("value", [7, 1.5, True, ["a"], {"a": 1}, b"a"])
def test_a_declared_attribute_that_is_not_text_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"service\.name must be text"):
        project(DECLARATION, SENDER, {"service.name": value}, "drop")


def test_text_without_a_utf8_form_has_no_key() -> None:
    with pytest.raises(CanonicalError):
        project(DECLARATION, SENDER, {"service.name": "\udcff"}, "drop").key()


@pytest.mark.parametrize(
    ("score", "bucket"),
    [
        (0, 250),
        (0.25, 250),
        (0.2501, 500),
        (0.5, 500),
        (0.500001, 1000),
        (1, 1000),
        (None, 1000),
        (7.0, 1000),
    ],
)
def test_a_doubt_about_a_score_is_more_protection(score: float | None, bucket: int) -> None:
    assert DECLARATION.bucket(score) == bucket


def test_every_whole_permille_is_itself() -> None:
    assert [permille_up(permille / 1000) for permille in range(1001)] == list(range(1001))


@pytest.mark.parametrize(
    ("rate", "permille"),
    [(0.07, 70), (0.0701, 71), (1e-9, 1), (5e-324, 1), (0.1 + 0.2, 300), (0.9985, 999)],
)
def test_a_sample_is_rounded_up_and_never_into_a_drop(rate: float, permille: int) -> None:
    assert requested_permille("sample", rate) == permille


@pytest.mark.parametrize(
    ("action", "rate"),
    [
        ("sample", None),
        ("sample", 0.0),
        ("sample", -0.0),
        ("sample", 1.0),
        ("sample", -0.5),
        ("sample", math.nan),
        ("sample", math.inf),
        ("drop", 0.0),
        ("drop", 0.5),
        ("keep", 1.0),
    ],
)
def test_action_and_rate_must_agree(action: Any, rate: float | None) -> None:
    with pytest.raises(ValueError, match="sample_rate"):
        requested_permille(action, rate)


def test_every_field_makes_another_class() -> None:
    base = project(DECLARATION, SENDER, {"service.name": "a"}, "drop")
    others: list[ProcessClass] = [
        project(DECLARATION, SENDER, {"service.name": "b"}, "drop"),
        project(DECLARATION, SENDER, {"process.executable.name": "a"}, "drop"),
        project(DECLARATION, SENDER, {"service.name": "a"}, "keep"),
        project(DECLARATION, SENDER, {"service.name": "a"}, "sample", 0.5),
        project(DECLARATION, SENDER, {"service.name": "a"}, "drop", None, 0.1),
        project(DECLARATION, SENDER, {"service.name": "a"}, "drop", profile="p"),
        *(
            project(DECLARATION, sender, {"service.name": "a"}, "drop")
            for sender in (
                Sender("dev", "eu-west-1", "unlisted"),
                Sender("production", "us-east-1", "unlisted"),
                Sender("production", "eu-west-1", "edge"),
            )
        ),
    ]
    assert len({item.key() for item in [base, *others]}) == len(others) + 1
