"""The floor: protection in the core that no bundle takes away (P2, docs/formats.md section 7)."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from gateway import canonical
from gateway.bundles.sealed import SealedData, SealedRow
from gateway.decisions.floor_minimum import MINIMUM_ROWS
from gateway.errors import BundleError, ConfigError, GatewayError
from gateway.transparency.notes import Verifier, open_note
from gateway.wire.classes import (
    EXECUTABLE_NAME,
    EXECUTABLE_PATH,
    IDENTITY,
    IDENTITY_SOURCE,
    NAME_ATTRIBUTES,
    ProcessClass,
)
from gateway.wire.patterns import Pattern, PatternSet, parse_pattern
from gateway.wire.verdicts import Reason

HASH_DOMAIN = b"compliance-gateway/floor/v1\n"
SEALED_ROW_DOMAIN = b"compliance-gateway/sealed-row/v1\n"
MAX_WORD_CHARACTERS = 256  # an id or a control; with a reason it must fit into a log entry
MAX_REASON_CHARACTERS = 1024
COMM_BYTES = 15  # TASK_COMM_LEN - 1: the kernel cuts a command's name here


@dataclass(frozen=True, slots=True)
class FloorRow:
    """One protected pattern. `salt` is that of the sealed data which the row is of, empty for an
    open row; of a sealed row only the id is shown or recorded."""

    id: str
    kind: str
    text: str = field(repr=False)
    control: str = field(repr=False)
    reason: str = field(repr=False)
    pattern: Pattern = field(repr=False)
    salt: bytes = field(default=b"", repr=False)

    def record(self) -> canonical.Value:
        """The row as it is hashed and signed; of a sealed one its commitment."""
        clear: canonical.Value = {
            "control": self.control,
            "id": self.id,
            self.kind: self.text,
            "reason": self.reason,
        }
        if not self.salt:
            return clear
        committed = SEALED_ROW_DOMAIN + self.salt + canonical.encode(clear)
        return {"id": self.id, "sealed": hashlib.sha256(committed).hexdigest()}

    def finding(self, prefix: str = "") -> Reason:
        """Why a process that the row matches is kept."""
        if self.salt:
            return _reason("", self.id, "a sealed row of the floor protects this process")
        return _reason(self.control, self.id, prefix + self.reason)


@dataclass(frozen=True, slots=True)
class FloorFile:
    """The signed rows beside the bundle, with their version."""

    version: int
    rows: tuple[FloorRow, ...]


class Floor:
    """Minimum, file, bundle rows and protections together: they only add up."""

    def __init__(
        self,
        floor_file: FloorFile | None,
        bundle_rows: Sequence[FloorRow],
        protections: Sequence[FloorRow] = (),
    ) -> None:
        self.file = floor_file
        minimum = parse_rows(MINIMUM_ROWS, "the gateway's compiled-in floor")
        file_rows = floor_file.rows if floor_file else ()
        self._rows = (*minimum, *file_rows, *protections, *bundle_rows)
        self._patterns = PatternSet([row.pattern for row in self._rows])
        parts: dict[str, canonical.Value] = {
            "bundle": _records(bundle_rows),
            "file": _records(file_rows),
            "minimum": _records(minimum),
            "protections": _records(protections),
        }
        self.hash = hashlib.sha256(HASH_DOMAIN + canonical.encode(parts)).hexdigest()

    def finding(self, process_class: ProcessClass) -> Reason | None:
        """Why the class must be kept, or None where the floor is silent."""
        attributes = dict(process_class.attributes)
        names = names_of(attributes)
        source = attributes.get(IDENTITY_SOURCE)
        if not names or source in ("unknown", "interpreter"):
            return _reason("FLOOR/identity", "minimum", "the process's purpose is not known")
        for name in names:
            if matching := self._patterns.matches_any_case(name):
                return self._rows[min(matching)].finding()
        if is_cut(attributes, names):
            for cut in _cut_names(attributes, names):
                if matching := self._patterns.matches_continuation(cut):
                    return self._rows[min(matching)].finding("the name is cut and may be: ")
        return None


def names_of(attributes: Mapping[str, str]) -> list[str]:
    """Every name by which a pattern may know the process, without empty ones."""
    names = [attributes.get(name, "") for name in NAME_ATTRIBUTES]
    names.append(attributes.get(EXECUTABLE_PATH, "").rpartition("/")[2])
    return [name for name in dict.fromkeys(names) if name]


def parse_rows(rows: Iterable[Any], place: str) -> tuple[FloorRow, ...]:
    """Parse floor rows; raises BundleError naming place and row."""
    parsed = []
    for position, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise BundleError(f"{place}: row {position + 1} is not a row; write id and pattern")
        kinds = [kind for kind in ("regex", "glob") if isinstance(row.get(kind), str)]
        if len(kinds) != 1 or not isinstance(row.get("id"), str):
            raise BundleError(f"{place}: row {position + 1} needs an id and either regex or glob")
        if len(row["id"]) > MAX_WORD_CHARACTERS:
            raise BundleError(f"{place}: the id of row {position + 1} is too long; shorten it")
        text = row[kinds[0]]
        control, reason = str(row.get("control", "")), str(row.get("reason", ""))
        if len(control) > MAX_WORD_CHARACTERS or len(reason) > MAX_REASON_CHARACTERS:
            raise BundleError(
                f"{place}: row {row['id']}: control has at most {MAX_WORD_CHARACTERS} characters "
                f"and reason at most {MAX_REASON_CHARACTERS}; shorten them"
            )
        try:
            pattern = parse_pattern(kinds[0], text, f"{place}: row {row['id']}")
        except GatewayError as error:
            raise BundleError(str(error)) from None
        parsed.append(
            FloorRow(
                id=row["id"],
                kind=kinds[0],
                text=text,
                control=control,
                reason=reason,
                pattern=pattern,
            )
        )
    return tuple(sorted(parsed, key=lambda row: row.id))


def parse_sealed_rows(rows: Iterable[SealedRow]) -> tuple[FloorRow, ...]:
    """Parse the floor rows of opened sealed data; raises BundleError naming the place. Their ids
    are shown, and nothing else of them."""
    return tuple(
        replace(parsed, salt=sealed.salt)
        for sealed in rows
        for parsed in parse_rows([sealed.row], sealed.place)
    )


class RowSource(Protocol):
    """A bundle, as far as the floor goes."""

    @property
    def never_filter(self) -> Sequence[Mapping[str, Any]]: ...

    @property
    def sealed(self) -> SealedData | None: ...


def rows_of(bundle: RowSource) -> tuple[FloorRow, ...]:
    """The rows that a bundle adds, those of its sealed data too if that was opened; raises
    BundleError naming the place."""
    rows = parse_rows(bundle.never_filter, "never_filter rows of the bundle")
    return rows if bundle.sealed is None else rows + parse_sealed_rows(bundle.sealed.rows)


def read_floor(path: Path, trust_domain: str, verifiers: Sequence[Verifier]) -> FloorFile:
    """Read and verify a signed floor; raises ConfigError where it cannot be trusted."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the floor cannot be read ({type(error).__name__})") from None
    return parse_floor(text, trust_domain, verifiers, str(path))


def parse_floor(
    text: str, trust_domain: str, verifiers: Sequence[Verifier], place: str
) -> FloorFile:
    """A signed floor's content; raises ConfigError where it cannot be trusted."""
    try:
        note = open_note(text, verifiers)
        # Not splitlines: a row's text may hold what Unicode calls a line separator.
        origin, version, rows = note.text.removesuffix("\n").split("\n")
        if origin != f"{trust_domain}/floor" or str(int(version)) != version or int(version) < 1:
            raise ValueError("wrong origin or version line")
        value = canonical.decode(rows.encode())
        if not isinstance(value, list):
            raise ValueError("the rows are no list")
        return FloorFile(int(version), parse_rows(value, place))
    except (ValueError, GatewayError) as error:
        raise ConfigError(
            f"{place}: not a floor signed by a key of policies.floor_keys ({error}); "
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


def is_cut(attributes: Mapping[str, str], names: Sequence[str]) -> bool:
    """Whether a name may be the beginning of a longer one: its source says so, or it is of exactly
    the kernel's length and neither a path nor a second name tells more."""
    if attributes.get(IDENTITY_SOURCE) == "truncated":
        return True
    if attributes.get(EXECUTABLE_PATH):
        return False
    if len(names) == 1:
        return len(names[0].encode()) == COMM_BYTES
    name = attributes.get(EXECUTABLE_NAME, "")
    return len(name.encode()) == COMM_BYTES and not attributes.get(IDENTITY)


def _cut_names(attributes: Mapping[str, str], names: Sequence[str]) -> Sequence[str]:
    """The names that may go on: the executable's and the identity derived from it, else any."""
    cut = [name for key in (EXECUTABLE_NAME, IDENTITY) if (name := attributes.get(key))]
    return cut or names
