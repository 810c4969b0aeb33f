"""The rules that hold whatever the family: what a proposal, its sender and its names look like."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from tests.golden.findings import Finding, find
from tests.golden.patterns import matches_row, variants
from tests.golden.regions import jurisdictions
from tests.golden.tables import Tables, matching

SOURCE = "compliance.process.identity_source"
IDENTITY = "compliance.process.identity"


@dataclass(frozen=True, slots=True)
class Sender:
    """Text as the certificate and the registry have it; "" for what is missing or no text.
    `windows` None means that what is open now is unknown."""

    environment: str
    region: str
    tier: str
    windows: frozenset[str] | None

    @classmethod
    def of(cls, question: Any) -> "Sender":
        subject = _member(question, "subject")
        windows = _member(_member(_member(question, "context"), "time"), "windows")
        return cls(
            environment=_text(_member(subject, "environment")),
            region=_text(_member(subject, "region")),
            tier=_text(_member(subject, "tier")),
            windows=frozenset(windows) if isinstance(windows, list) else None,
        )

    @property
    def is_known(self) -> bool:
        return bool(self.environment and self.region and self.tier)


@dataclass(frozen=True, slots=True)
class Process:
    """`names` and `executables` hold each name as it is and lower-cased; None: not an object."""

    attributes: dict[str, Any]
    names: frozenset[str] | None
    executables: frozenset[str]

    @classmethod
    def of(cls, proposal: Any, tables: Tables) -> "Process":
        attributes = _member(proposal, "process")
        if not isinstance(attributes, dict):
            return cls({}, None, frozenset())
        carriers = tables.by_name["names"]
        last = [_text_or_none(attributes.get(name)) for name in carriers["executable"]]
        files = {text.rpartition("/")[2] for text in last if text is not None}
        whole = [_text_or_none(attributes.get(name)) for name in carriers["whole"]]
        named = files | {text for text in whole if text is not None}
        return cls(
            attributes,
            frozenset().union(*map(variants, named)),
            frozenset().union(*map(variants, files)),
        )


def baseline_findings(
    tables: Tables, sender: Sender, proposal: dict[str, Any], process: Process
) -> Iterator[Finding]:
    """The findings of rules/baseline for one proposal."""
    rows = tables.by_name["baseline"]

    def say(name: str) -> Finding:
        return find(tables.rules[f"rules.baseline.{name}"], rows[name])

    if not sender.is_known:
        yield say("unknown_sender")
    if sender.region not in jurisdictions(tables):
        yield say("unlisted_region")
    if not is_well_formed(proposal):
        yield say("malformed_proposal")
    source = process.attributes.get(SOURCE)
    if _is_nameless(process) or source in rows["unknown_identity"]["sources"]:
        yield say("unknown_identity")
    if source == "truncated":
        yield say("truncated_name")
    if _is_unknown_interpreter(rows["unknown_interpreter"], process):
        yield say("unknown_interpreter")
    if "score" in proposal and not _is_below(proposal["score"], rows["critical_score"]["at_least"]):
        yield say("critical_score")
    yield from _table_findings(tables, sender, proposal, process)


def is_well_formed(proposal: dict[str, Any]) -> bool:
    """docs/formats.md section 6: a process, a score, and a share that goes with the action."""
    share, action = proposal.get("sample_permille"), proposal.get("action")
    return (
        isinstance(proposal.get("process"), dict)
        and _is_number(proposal.get("score"))
        and _is_number(share)
        and (
            (action == "drop" and share == 0)
            or (action == "keep" and share == 1000)
            or (action == "sample" and 0 < share < 1000)
        )
    )


def _is_nameless(process: Process) -> bool:
    return process.names is not None and not process.names - {""}


def _is_unknown_interpreter(row: dict[str, Any], process: Process) -> bool:
    def is_interpreter(name: str) -> bool:
        return any(matches_row(one, text) for one in row["interpreters"] for text in variants(name))

    if not any(map(is_interpreter, process.executables)):
        return False
    identity = process.attributes.get(IDENTITY)
    tells = isinstance(identity, str) and identity != "" and not is_interpreter(identity)
    return not (tells and process.attributes.get(SOURCE) in row["identified_by"])


def _table_findings(
    tables: Tables, sender: Sender, proposal: dict[str, Any], process: Process
) -> Iterator[Finding]:
    """Trading hours (soft) and declared importance (advice)."""
    names = process.names or frozenset()
    trading = tables.by_name["trading"]
    # Which windows are open being unknown, the more protective reading is that all are.
    is_open = sender.windows is None or trading["window"] in sender.windows
    if is_open:
        for row in matching(tables, "trading", "services", names):
            yield find(tables.rules["rules.baseline.trading_hours"], row)
    for row in matching(tables, "importance", "services", names):
        if "score" in proposal and _is_below(proposal["score"], row["importance_permille"]):
            yield find(tables.rules["rules.baseline.importance"], row)


def _is_below(score: Any, limit: int) -> bool:
    """OPA's order of types: null, booleans, numbers, text, arrays, objects."""
    if score is None or isinstance(score, bool):
        return True
    return _is_number(score) and score < limit


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None
