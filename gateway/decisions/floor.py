"""The floor: protection in the core that no bundle takes away (P2, docs/formats.md section 7)."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import canonical
from gateway.decisions.floor_minimum import MINIMUM_ROWS
from gateway.errors import BundleError, ConfigError, GatewayError
from gateway.transparency.notes import Verifier, open_note
from gateway.wire.classes import (
    EXECUTABLE_NAME,
    EXECUTABLE_PATH,
    IDENTITY,
    IDENTITY_SOURCE,
    ProcessClass,
)
from gateway.wire.patterns import Pattern, PatternSet, parse_pattern
from gateway.wire.verdicts import Reason

HASH_DOMAIN = b"compliance-gateway/floor/v1\n"
NAME_ATTRIBUTES = (
    EXECUTABLE_NAME,
    "service.name",
    IDENTITY,
    "k8s.container.name",
    "k8s.deployment.name",
    "k8s.pod.label.app",
)
COMM_BYTES = 15  # TASK_COMM_LEN - 1: the kernel cuts a command's name here


@dataclass(frozen=True, slots=True)
class FloorRow:
    """One protected pattern."""

    id: str
    kind: str
    text: str
    control: str
    reason: str
    pattern: Pattern

    def record(self) -> canonical.Value:
        """The row as it is hashed and signed."""
        return {"control": self.control, "id": self.id, self.kind: self.text, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class FloorFile:
    """The signed rows beside the bundle, with their version."""

    version: int
    rows: tuple[FloorRow, ...]


class Floor:
    """Minimum, file and bundle rows together: they only add up."""

    def __init__(self, floor_file: FloorFile | None, bundle_rows: Sequence[FloorRow]) -> None:
        self.file = floor_file
        minimum = parse_rows(MINIMUM_ROWS, "the gateway's compiled-in floor")
        file_rows = floor_file.rows if floor_file else ()
        self._rows = (*minimum, *file_rows, *bundle_rows)
        self._patterns = PatternSet([row.pattern for row in self._rows])
        parts: dict[str, canonical.Value] = {
            "bundle": _records(bundle_rows),
            "file": _records(file_rows),
            "minimum": _records(minimum),
        }
        self.hash = hashlib.sha256(HASH_DOMAIN + canonical.encode(parts)).hexdigest()

    def finding(self, process_class: ProcessClass) -> Reason | None:
        """Why the class must be kept, or None where the floor is silent."""
        attributes = dict(process_class.attributes)
        names = names_of(attributes)
        source = attributes.get(IDENTITY_SOURCE)
        if not names or source == "unknown":
            return _reason("FLOOR/identity", "minimum", "the process's identity is not known")
        for name in names:
            if matching := self._patterns.matches_any_case(name):
                row = self._rows[min(matching)]
                return _reason(row.control, row.id, row.reason)
        if source == "truncated" or _is_cut(attributes):
            cut = attributes.get(EXECUTABLE_NAME, "")
            if matching := self._patterns.matches_continuation(cut):
                row = self._rows[min(matching)]
                return _reason(row.control, row.id, f"the name is cut and may be: {row.reason}")
        return None


def names_of(attributes: Mapping[str, str]) -> list[str]:
    """Every name by which a pattern may know the process, without empty ones."""
    names = [attributes.get(name, "") for name in NAME_ATTRIBUTES]
    names.append(attributes.get(EXECUTABLE_PATH, "").rpartition("/")[2])
    return [name for name in dict.fromkeys(names) if name]


def parse_rows(rows: Iterable[Mapping[str, Any]], place: str) -> tuple[FloorRow, ...]:
    """Parse floor rows; raises BundleError naming place and row."""
    parsed = []
    for position, row in enumerate(rows):
        kinds = [kind for kind in ("regex", "glob") if isinstance(row.get(kind), str)]
        if len(kinds) != 1 or not isinstance(row.get("id"), str):
            raise BundleError(f"{place}: row {position + 1} needs an id and either regex or glob")
        text = row[kinds[0]]
        try:
            pattern = parse_pattern(kinds[0], text, f"{place}: row {row['id']}")
        except GatewayError as error:
            raise BundleError(str(error)) from None
        parsed.append(
            FloorRow(
                id=row["id"],
                kind=kinds[0],
                text=text,
                control=str(row.get("control", "")),
                reason=str(row.get("reason", "")),
                pattern=pattern,
            )
        )
    return tuple(sorted(parsed, key=lambda row: row.id))


def read_floor(path: Path, trust_domain: str, verifiers: Sequence[Verifier]) -> FloorFile:
    """Read and verify a signed floor; raises ConfigError where it cannot be trusted."""
    name = f"{trust_domain}/floor"
    try:
        note = open_note(path.read_text(encoding="utf-8"), verifiers)
        origin, version, rows = note.text.splitlines()
        if origin != name or str(int(version)) != version or int(version) < 1:
            raise ValueError("wrong origin or version line")
        value = canonical.decode(rows.encode())
        if not isinstance(value, list):
            raise ValueError("the rows are no list")
        return FloorFile(int(version), parse_rows(value, str(path)))  # type: ignore[arg-type]
    except (OSError, ValueError, GatewayError) as error:
        raise ConfigError(
            f"{path}: not a floor signed by a key of policies.floor_keys ({error}); "
            "sign it with `gateway policy sign-floor`"
        ) from None


def floor_text(trust_domain: str, version: int, rows: Sequence[FloorRow]) -> str:
    """The text that is signed."""
    lines = canonical.encode(_records(rows)).decode()
    return f"{trust_domain}/floor\n{version}\n{lines}\n"


def removed_rows(old: FloorFile, new: FloorFile) -> list[str]:
    """Ids of rows whose protection the new file no longer gives."""
    kept = {(row.kind, row.text) for row in new.rows}
    return [row.id for row in old.rows if (row.kind, row.text) not in kept]


def _records(rows: Sequence[FloorRow]) -> canonical.Value:
    return [row.record() for row in rows]


def _reason(control: str, row: str, message: str) -> Reason:
    return Reason(
        control=control or "FLOOR",
        rule=f"floor.{row}",
        level="hard",
        message=message,
        remediation="no bundle, exception or override can change this; see the floor's rows",
    )


def _is_cut(attributes: Mapping[str, str]) -> bool:
    """A lone name of exactly the kernel's length may be the beginning of a longer one."""
    name = attributes.get(EXECUTABLE_NAME, "")
    known = attributes.get(EXECUTABLE_PATH) or attributes.get(IDENTITY)
    return len(name.encode()) == COMM_BYTES and not known
