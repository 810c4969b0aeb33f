"""What recorded processes are called, out of their sealed payloads."""

from collections.abc import Iterator, Mapping
from itertools import islice

from gateway.audit.lost import Lost
from gateway.decisions.floor import names_of
from gateway.recorded.classes import open_class
from gateway.recorded.entries import RecordedShapeError
from gateway.recorded.port import ClassVault

_AT_ONCE = 500  # an entry `payload.opened` names so many


def name_classes(vault: ClassVault, classes: Mapping[str, int]) -> dict[str, str]:
    """The names of each class, or, in capitals, why it has none; `classes` as
    `ClassVault.open_many`. Raises as that."""
    names: dict[str, str] = {}
    for part in _parts(classes):
        for class_id, payload in vault.open_many(part).items():
            names[class_id] = _names_of(class_id, payload)
    return names


def _names_of(class_id: str, payload: bytes | Lost) -> str:
    if isinstance(payload, Lost):
        return payload.value.upper()
    try:
        attributes = dict(open_class(class_id, payload).attributes)
    except RecordedShapeError:
        return Lost.DAMAGED.value.upper()
    return ", ".join(dict.fromkeys(names_of(attributes)))


def _parts(classes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    items = iter(classes.items())
    while part := dict(islice(items, _AT_ONCE)):
        yield part
