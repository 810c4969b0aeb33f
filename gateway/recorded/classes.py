"""Classes from their payloads, held against the commitment by which the log names them."""

import msgspec

from gateway.recorded.entries import RecordedShapeError
from gateway.wire.classes import ProcessClass, Sender, class_id
from gateway.wire.verdicts import Action


class _Payload(msgspec.Struct, rename={"class_bytes": "class"}, forbid_unknown_fields=True):
    class_bytes: msgspec.Raw
    salt: str


class _Class(msgspec.Struct, forbid_unknown_fields=True):
    action: Action
    attributes: dict[str, str]
    environment: str
    profile: str
    region: str
    sample_permille: int
    score: int
    tier: str


_decode_payload = msgspec.json.Decoder(_Payload).decode
_decode_class = msgspec.json.Decoder(_Class).decode


def open_class(committed: str, payload: bytes) -> ProcessClass:
    """The class of a payload; raises RecordedShapeError when the class id `committed` is not the
    commitment to it, or it is no class."""
    try:
        opened = _decode_payload(payload)
        salt = bytes.fromhex(opened.salt)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        raise RecordedShapeError("the payload is no class with its salt") from None
    class_bytes = bytes(opened.class_bytes)
    if class_id(salt, class_bytes) != committed:
        raise RecordedShapeError("the class id is no commitment to the class in its payload")
    try:
        found = _decode_class(class_bytes)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise RecordedShapeError("the payload's class is none of ours") from None
    return ProcessClass(
        attributes=tuple(sorted(found.attributes.items())),
        action=found.action,
        sample_permille=found.sample_permille,
        score=found.score,
        profile=found.profile,
        sender=Sender(found.environment, found.region, found.tier),
    )
