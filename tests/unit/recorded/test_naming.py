"""Names of recorded processes, and why some have none."""

from collections.abc import Mapping

from gateway import canonical
from gateway.audit.lost import Lost
from gateway.recorded.naming import name_classes
from gateway.wire.classes import class_id

SALT = bytes(32)


def payload(name: str) -> tuple[str, bytes]:
    value: canonical.Value = {
        "action": "drop",
        "attributes": {
            "process.executable.name": name,
            "process.executable.path": f"/opt/{name}-bin",
            "service.name": name,
        },
        "environment": "production",
        "profile": "balanced",
        "region": "eu-west-1",
        "sample_permille": 0,
        "score": 250,
        "tier": "unlisted",
    }
    encoded = canonical.encode(value)
    data = b'{"class":' + encoded + b',"salt":"' + SALT.hex().encode() + b'"}'
    return class_id(SALT, encoded), data


class Vault:
    def __init__(self, found: Mapping[str, bytes | Lost]) -> None:
        self.found = found
        self.asked: list[int] = []

    def open_many(self, classes: Mapping[str, int]) -> Mapping[str, bytes | Lost]:
        self.asked.append(len(classes))
        return {one: self.found.get(one, Lost.MISSING) for one in classes}


def test_a_class_has_its_names_once_each() -> None:
    one, data = payload("ledger")
    assert name_classes(Vault({one: data}), {one: 3}) == {one: "ledger, ledger-bin"}


def test_what_has_no_name_says_why() -> None:
    _, data = payload("ledger")
    other = "f" * 48
    vault = Vault({"a": Lost.ERASED, "b": Lost.PURGED, other: data})
    named = name_classes(vault, {"a": 1, "b": 1, other: 1, "c": 1})
    assert named == {"a": "ERASED", "b": "PURGED", other: "DAMAGED", "c": "MISSING"}


def test_many_are_opened_some_at_a_time() -> None:
    vault = Vault({})
    name_classes(vault, {f"{number}": number for number in range(1_200)})
    assert vault.asked == [500, 500, 200]
