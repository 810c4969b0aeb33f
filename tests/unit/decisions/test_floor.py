from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.decisions.floor import (
    Floor,
    FloorFile,
    floor_text,
    names_of,
    parse_floor,
    parse_rows,
    read_floor,
    removed_rows,
)
from gateway.decisions.floor_minimum import MINIMUM_ROWS
from gateway.errors import BundleError, ConfigError
from gateway.transparency.notes import Signer, sign_note
from gateway.wire.classes import ProcessClass, project
from tests.fakes.decisions import DECLARATION, SENDER

DOMAIN = "example.org"
ROW = {"id": "acme", "regex": "^acme-ledger", "control": "SOX/404", "reason": "ledger"}
SIGNER = Signer(f"{DOMAIN}/floor", Ed25519PrivateKey.generate())
PATH = "process.executable.path"
NAME = "process.executable.name"
IDENTITY = "compliance.process.identity"
SOURCE = "compliance.process.identity_source"


def class_of(attributes: dict[str, str], action: Any = "drop") -> ProcessClass:
    return project(DECLARATION, SENDER, attributes, action)


def note(text: str, signer: Signer = SIGNER) -> str:
    return sign_note(text, [signer])


def signed(version: int = 1, rows: Any = (ROW,)) -> str:
    return note(floor_text(DOMAIN, version, parse_rows(rows, "test")))


def parse(text: str) -> FloorFile:
    return parse_floor(text, DOMAIN, [SIGNER.verifier], "floor.note")


@pytest.mark.parametrize("attribute", [n for n in DECLARATION.attributes if n != SOURCE])
@pytest.mark.parametrize("name", ["payment-gateway-1", "PAYMENT-GATEWAY-1", "payment-gateway"])
def test_the_minimum_protects_by_every_name_and_any_case(attribute: str, name: str) -> None:
    value = f"/opt/pay/{name}" if attribute == PATH else name
    others = {NAME: "java"} if attribute != NAME else {"service.name": "harmless"}
    finding = Floor(None, ()).finding(class_of({**others, attribute: value}))
    assert finding is not None
    assert finding.level == "hard"
    assert finding.control == "PCI-DSS-4.0.1/10.2.1"


@pytest.mark.parametrize("row", MINIMUM_ROWS, ids=lambda row: row["id"])
def test_each_compiled_in_row_protects(row: dict[str, str]) -> None:
    finding = Floor(None, ()).finding(class_of({NAME: row["regex"].removeprefix("^")}))
    assert finding is not None
    assert finding.rule == f"floor.{row['id']}"


def test_a_near_miss_is_not_protected() -> None:
    for name in ("log-shipper", "my-payment-gateway", "paymentgateway", "patient"):
        assert Floor(None, ()).finding(class_of({NAME: name})) is None


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {NAME: ""},
        {SOURCE: "executable"},
        {PATH: "/opt/bin/"},
        {NAME: "log-shipper", SOURCE: "unknown"},
        {NAME: "java", SOURCE: "interpreter"},
    ],
)
def test_an_unknown_identity_is_kept(attributes: dict[str, str]) -> None:
    finding = Floor(None, ()).finding(class_of(attributes))
    assert finding is not None
    assert finding.control == "FLOOR/identity"


@pytest.mark.parametrize(
    "attributes",
    [
        {NAME: "customer-data-p"},
        {NAME: "CUSTOMER-DATA-P"},
        {"service.name": "customer-data-p"},
        {NAME: "customer-data-p", "service.name": "harmless"},
        {NAME: "patient", SOURCE: "truncated"},
        {NAME: "harmless", IDENTITY: "patient-data-se", SOURCE: "truncated"},
        {IDENTITY: "patient-data-se", SOURCE: "truncated"},
        {"service.name": "patient-data-se", SOURCE: "truncated"},
    ],
)
def test_a_cut_name_that_may_go_on_into_a_row_is_kept(attributes: dict[str, str]) -> None:
    assert Floor(None, ()).finding(class_of(attributes)) is not None


@pytest.mark.parametrize(
    "attributes",
    [
        {NAME: "log-shipper-xyz"},
        {NAME: "log-shipper", SOURCE: "truncated"},
        {NAME: "customer-data-p", PATH: "/usr/bin/customer-data-p"},
        {NAME: "customer-data"},
    ],
)
def test_a_name_that_is_whole_or_cannot_go_on_into_a_row_is_not(attributes: dict[str, str]) -> None:
    assert Floor(None, ()).finding(class_of(attributes)) is None


def test_file_and_bundle_rows_only_add() -> None:
    rows = parse_rows([ROW], "bundle")
    plain, floored = Floor(None, ()), Floor(FloorFile(1, rows), ())
    assert plain.finding(class_of({NAME: "acme-ledger-2"})) is None
    for floor in (floored, Floor(None, rows), Floor(FloorFile(1, rows), rows)):
        assert floor.finding(class_of({NAME: "acme-ledger-2"})) is not None
        assert floor.finding(class_of({NAME: "payment-gateway-1"})) is not None
    assert len({plain.hash, floored.hash, Floor(None, rows).hash}) == 3


def test_a_bundle_row_of_the_same_id_replaces_nothing() -> None:
    row = {**MINIMUM_ROWS[0], "regex": "^nothing-like-it"}
    floor = Floor(None, parse_rows([row], "bundle"))
    assert floor.finding(class_of({NAME: "payment-gateway-1"})) is not None


def test_names_of_has_no_empty_names_and_no_repeats() -> None:
    assert names_of({NAME: "a", PATH: "/x/a", "service.name": ""}) == ["a"]


def test_a_signed_floor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "floor.note"
    path.write_text(signed(7), encoding="utf-8")
    found = read_floor(path, DOMAIN, [SIGNER.verifier])
    assert found.version == 7
    assert [row.id for row in found.rows] == ["acme"]


def test_a_row_may_hold_unicode_line_separators() -> None:
    row = {**ROW, "reason": "one\u2028two\x85three"}
    assert parse(signed(1, [row])).rows[0].reason == row["reason"]


def test_a_floor_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_floor(tmp_path / "none", DOMAIN, [SIGNER.verifier])
    (tmp_path / "latin").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_floor(tmp_path / "latin", DOMAIN, [SIGNER.verifier])


ROWS_LINE = floor_text(DOMAIN, 1, parse_rows([ROW], "test")).splitlines()[2]


@pytest.mark.parametrize(
    "text",
    [
        signed().replace("acme-ledger", "acme-nothing"),
        signed().replace("\n1\n", "\n2\n"),
        note(floor_text(DOMAIN, 1, ()), Signer(SIGNER.name, Ed25519PrivateKey.generate())),
        note(floor_text(DOMAIN, 1, ()), Signer("else/floor", Ed25519PrivateKey.generate())),
        note(floor_text("else.org", 1, ())),
        note(floor_text(DOMAIN, 0, ())),
        note(floor_text(DOMAIN, -1, ())),
        note(f"{DOMAIN}/floor\n01\n[]\n"),
        note(f"{DOMAIN}/floor\n+1\n[]\n"),
        note(f"{DOMAIN}/floor\n1\n[] \n"),
        note(f"{DOMAIN}/floor\n1\n{{}}\n"),
        note(f"{DOMAIN}/floor\n1\n[1]\n"),
        note(f"{DOMAIN}/floor\n1\n[null]\n"),
        note(f"{DOMAIN}/floor\n1\n[]\nmore\n"),
        note(f"{DOMAIN}/floor\n1\n"),
        note(f"{DOMAIN}/checkpoint\n1\n{ROWS_LINE}\n"),
        "",
        floor_text(DOMAIN, 1, ()),
    ],
)
def test_a_floor_that_cannot_be_trusted_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)


@pytest.mark.parametrize(
    "change",
    [
        {"regex": "(", "glob": None},
        {"regex": None},
        {"glob": "acme-*"},
        {"regex": ""},
        {"id": 7},
        {"id": "i" * 257},
        {"control": "c" * 257},
        {"reason": "r" * 1025},
    ],
)
def test_bad_rows_are_refused(change: dict[str, Any]) -> None:
    row = {name: value for name, value in {**ROW, **change}.items() if value is not None}
    with pytest.raises(BundleError):
        parse_rows([row], "place")


def test_removed_rows_tells_lost_protection_and_nothing_else() -> None:
    old = parse(signed(1))
    assert removed_rows(old, parse(signed(2, [{**ROW, "reason": "other words"}]))) == []
    assert removed_rows(old, parse(signed(2, [ROW, {**ROW, "id": "b", "regex": "^b"}]))) == []
    assert removed_rows(old, parse(signed(2, [{**ROW, "regex": "^acme-ledger-"}]))) == ["acme"]
    assert removed_rows(old, parse(signed(2, []))) == ["acme"]
