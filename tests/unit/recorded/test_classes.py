"""A class counts only if the id in the log is the commitment to it."""

import pytest

from gateway.recorded.classes import open_class
from gateway.recorded.entries import RecordedShapeError
from gateway.wire.classes import ProcessClass, class_id, project
from tests.fakes.decisions import DECLARATION, SENDER

SALT = bytes(range(32))


def sealed(process_class: ProcessClass, salt: bytes = SALT) -> bytes:
    return b'{"class":%b,"salt":"%b"}' % (process_class.canonical(), salt.hex().encode())


@pytest.mark.parametrize("action", ["drop", "sample", "keep"])
def test_the_class_that_was_sealed_comes_back(action: str) -> None:
    found = project(
        DECLARATION,
        SENDER,
        {"process.executable.name": "übersetzer", "service.name": "a"},
        action,  # type: ignore[arg-type]
        0.25 if action == "sample" else None,
        0.3,
        "balanced",
    )
    assert open_class(class_id(SALT, found.canonical()), sealed(found)) == found


def test_another_class_or_salt_under_the_id_is_refused() -> None:
    one = project(DECLARATION, SENDER, {"process.executable.name": "one"}, "drop")
    other = project(DECLARATION, SENDER, {"process.executable.name": "other"}, "drop")
    committed = class_id(SALT, one.canonical())
    for payload in (sealed(other), sealed(one, bytes(32))):
        with pytest.raises(RecordedShapeError, match="no commitment"):
            open_class(committed, payload)


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b'{"class":{},"salt":"zz"}', b"[]"])
def test_what_is_no_payload_is_refused(payload: bytes) -> None:
    with pytest.raises(RecordedShapeError):
        open_class("c" * 48, payload)


def test_a_committed_value_that_is_no_class_is_refused() -> None:
    value = b'{"action":"drop"}'
    payload = b'{"class":%b,"salt":"%b"}' % (value, SALT.hex().encode())
    with pytest.raises(RecordedShapeError, match="none of ours"):
        open_class(class_id(SALT, value), payload)
