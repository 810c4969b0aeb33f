"""Names by which people know what an impact is about: processes, frameworks, losses."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from gateway.decisions.floor import names_of
from gateway.decisions.verdict import Settled
from gateway.wire.classes import IDENTITY, ProcessClass
from gateway.wire.verdicts import Reason

MAX_NAME_CHARACTERS = 200  # two hundred of them stand in one entry of the log
NO_CONTROL = "no control"
_DIGEST_DIGITS = 12
_LEVELS = ("hard", "soft")
_EXCEPTION = "EXCEPTION/"


def process_name(process_class: ProcessClass) -> str:
    """What the process is called: its derived identity, else its first name, else `unnamed`."""
    attributes = dict(process_class.attributes)
    return attributes.get(IDENTITY) or next(iter(names_of(attributes)), "unnamed")


def process_label(process_class: ProcessClass) -> str:
    """`name@environment/region`, the name percent-encoded where it holds anything odd, so that no
    process can take another's label."""
    sender = process_class.sender
    name = quote(process_name(process_class), safe="+=,~:", errors="surrogatepass")
    return f"{name}@{sender.environment}/{sender.region}"


def loss_name(process_class: ProcessClass, control: str) -> str:
    """The stable name of a loss: label and control; a long one is cut, with a digest of all."""
    name = f"{process_label(process_class)} {control}"
    if len(name) <= MAX_NAME_CHARACTERS:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_DIGITS]
    return f"{name[: MAX_NAME_CHARACTERS - _DIGEST_DIGITS - 1]}~{digest}"


def protecting_reasons(settled: Settled) -> list[Reason]:
    """The reasons that protect, hard ones first; none where an exception lifts them."""
    if any(reason.control.startswith(_EXCEPTION) for reason in settled.reasons):
        return []
    return [r for level in _LEVELS for r in settled.reasons if r.level == level]


def protecting_control(settled: Settled) -> str:
    """The control that protects first."""
    reasons = protecting_reasons(settled)
    return reasons[0].control if reasons else NO_CONTROL


class Frameworks:
    """The framework of a control, as the bundles' control lists say, else the id's beginning."""

    def __init__(self, *data: Mapping[str, Any]) -> None:
        self._known: dict[str, str] = {}
        for tree in data:
            for row in _controls(tree):
                self._known.setdefault(str(row.get("id")), str(row.get("framework") or ""))

    def of(self, control: str) -> str:
        """The framework's name."""
        return self._known.get(control) or control.partition("/")[0]

    def protecting(self, settled: Settled) -> set[str]:
        """The frameworks whose controls protect."""
        return {self.of(reason.control) for reason in protecting_reasons(settled)}


def _controls(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The rows of the lists `controls` of all tables: each family has its own."""
    tables = tree.get("data")
    for table in tables.values() if isinstance(tables, Mapping) else ():
        rows = table.get("controls") if isinstance(table, Mapping) else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, Mapping):
                yield row
