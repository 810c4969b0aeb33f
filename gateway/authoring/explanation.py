"""Why a process gets its verdict, and what would have to change (`gateway policy explain`).

The class is built, OPA asked, the floor consulted and the verdict settled by the gateway's own
code, so that what an author reads here is what a collector will be told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.authoring.data_rows import DataRow, Table, read_table
from gateway.authoring.inquiry import Inquiry
from gateway.authoring.policy_answers import Found, PolicyAnswer, open_answers
from gateway.authoring.remedies import FloorHit, Remedies, Variations
from gateway.authoring.rule_sources import RuleSource, read_rules
from gateway.bundles.folder import Bundle
from gateway.decisions.floor import Floor, FloorFile, FloorRow, names_of, parse_rows
from gateway.decisions.floor_minimum import MINIMUM_ROWS
from gateway.decisions.verdict import Settled, fail_safe, settle
from gateway.decisions.windows import parse_windows
from gateway.engine.port import EngineFailure
from gateway.wire.classes import EXECUTABLE_NAME, EXECUTABLE_PATH, NAME_ATTRIBUTES, ProcessClass
from gateway.wire.patterns import matches_any_case, parse_row
from gateway.wire.verdicts import KEEP_PERMILLE, Reason


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason of the policies. `lines` are the lines of the rule that were true; `row` is the
    data row behind it and `matched` the names that its pattern matches, with their attributes.
    `changes` are alternatives: one of them suffices for this finding, none for an advisory one.
    `reach` says which senders the row's family is for; empty without one or for everybody."""

    reason: Reason
    rule_place: str
    lines: tuple[int, ...]
    row: DataRow | None
    matched: Mapping[str, tuple[str, ...]]
    obligations: tuple[Mapping[str, Any], ...]
    changes: tuple[str, ...]
    reach: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that `gateway policy explain` shows. `root` is the bundle's folder, which places
    of findings are below. `would_protect` is empty unless the proposal is permitted."""

    root: str
    revision: str
    floor_hash: str
    process_class: ProcessClass
    windows: tuple[str, ...]
    undeclared: tuple[str, ...]
    settled: Settled
    said: str
    findings: tuple[Finding, ...]
    floor: tuple[FloorHit, ...]
    would_protect: tuple[str, ...]

    @property
    def is_permitted(self) -> bool:
        """Whether the proposal is granted as it stands."""
        return self.settled.effect == "permitted"

    def sources_of(self, obligation: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Finding]]:
        """What each finding asked for of this obligation's type: the verdict merges them."""
        return [
            (asked, finding)
            for finding in self.findings
            for asked in finding.obligations
            if asked.get("type") == obligation.get("type")
        ]


def explain(
    bundle: Bundle,
    root: Path,
    inquiry: Inquiry,
    floor_file: FloorFile | None,
    opa: Path,
    now_us: int,
) -> Explanation:
    """Explain one proposal under a bundle and floor. Raises InputError for a bad proposal and
    BundleError for a bundle that cannot be asked. Runs OPA three times: under a second."""
    process_class = inquiry.project(bundle.class_declaration)
    bundle_rows = parse_rows(bundle.never_filter, "never_filter rows of the bundle")
    floor = Floor(floor_file, bundle_rows)
    table, rules = read_table(bundle.files), read_rules(bundle.files, opa)
    schedule = parse_windows(bundle.windows)
    variations = Variations(process_class, inquiry.windows, bundle.class_declaration, schedule)
    with open_answers(bundle, opa) as answers:
        answer = answers.ask(process_class, inquiry.windows)
        varied = answers.vary([(case.process_class, case.windows) for case in variations.cases])
    settled = _settle(process_class, answer, floor)
    outcomes = [
        _settle(case.process_class, PolicyAnswer(verdict), floor)
        for case, verdict in zip(variations.cases, varied, strict=True)
    ]
    remedies = Remedies(root, variations, outcomes, now_us)
    reading = _Reading(root, process_class, table, rules, answer, remedies)
    return Explanation(
        root=str(root),
        revision=bundle.revision,
        floor_hash=floor.hash,
        process_class=process_class,
        windows=inquiry.windows,
        undeclared=tuple(inquiry.undeclared(bundle.class_declaration)),
        settled=settled,
        said=answer.said,
        findings=tuple(reading.finding(reason) for reason in reading.reasons),
        floor=tuple(_floor_hits(floor, floor_file, bundle_rows, process_class, remedies)),
        would_protect=tuple(
            remedies.would_protect(table, names_by_attribute(process_class))
            if settled.effect == "permitted" and settled.sample_permille < KEEP_PERMILLE
            else ()
        ),
    )


def names_by_attribute(process_class: ProcessClass) -> list[tuple[str, str]]:
    """(attribute, name) for each name that patterns may know it by (docs/formats.md section 7)."""
    attributes = dict(process_class.attributes)
    found = [(name, attributes[name]) for name in NAME_ATTRIBUTES if attributes.get(name)]
    for attribute in (EXECUTABLE_PATH, EXECUTABLE_NAME):
        last = attributes.get(attribute, "").rpartition("/")[2]
        if last and (attribute, last) not in found:
            found.append((attribute, last))
    return found


def _settle(process_class: ProcessClass, answer: PolicyAnswer, floor: Floor) -> Settled:
    """As `gateway.decisions.evaluation` does."""
    verdict = answer.verdict
    if isinstance(verdict, EngineFailure):
        return fail_safe(verdict.code, f"the policies gave no usable answer ({verdict.code}); kept")
    return settle(process_class, verdict, floor.finding(process_class))


@dataclass(frozen=True, slots=True)
class _Reading:
    """Joins each reason with its rule, its row and the names that the row's pattern matches."""

    root: Path
    process_class: ProcessClass
    table: Table
    rules: Sequence[RuleSource]
    answer: PolicyAnswer
    remedies: Remedies

    @property
    def reasons(self) -> tuple[Reason, ...]:
        verdict = self.answer.verdict
        return () if isinstance(verdict, EngineFailure) else verdict.reasons

    def finding(self, reason: Reason) -> Finding:
        source = next((rule for rule in self.rules if rule.package == reason.rule), None)
        found = next((item for item in self.answer.found if _is_of(item, reason)), None)
        row = self._row(reason, found)
        matched = self._matched(row)
        lines = (self.answer.lines or {}).get(source.place.file, ()) if source else ()
        return Finding(
            reason=reason,
            rule_place=f"{self.root}/{source.at}" if source else "",
            lines=lines,
            row=row,
            matched=matched,
            obligations=found.obligations if found else (),
            changes=tuple(
                self.remedies.changes(reason, row, list(matched))
                if reason.level != "advisory"
                else ()
            ),
            reach=self._reach(row),
        )

    def _reach(self, row: DataRow | None) -> str:
        head = self.table.family(row.list.partition(".")[0]) if row else None
        conditions = (head.value.get("applies_to") or {}) if head else {}
        return "; ".join(f"{kind} {', '.join(names)}" for kind, names in conditions.items())

    def _row(self, reason: Reason, found: Found | None) -> DataRow | None:
        """The finding names its row; a reason without a finding comes from a row with a message,
        with which its own message begins."""
        if found is not None:
            return self.table.find(reason.control, found.row)
        return next(
            (
                row
                for row in self.table.of_control(reason.control)
                if reason.message.startswith(str(row.value.get("message", "\n")))
            ),
            None,
        )

    def _matched(self, row: DataRow | None) -> dict[str, tuple[str, ...]]:
        if row is None or not row.pattern:
            return {}
        pattern = parse_row(row.value, str(row.place))
        matched: dict[str, tuple[str, ...]] = {}
        for attribute, name in names_by_attribute(self.process_class):
            if matches_any_case(pattern, name):
                matched[name] = (*matched.get(name, ()), attribute)
        return matched


def _is_of(found: Found, reason: Reason) -> bool:
    return (found.rule, found.control, found.message) == (
        reason.rule,
        reason.control,
        reason.message,
    )


def _floor_hits(
    floor: Floor,
    floor_file: FloorFile | None,
    bundle_rows: Sequence[FloorRow],
    process_class: ProcessClass,
    remedies: Remedies,
) -> list[FloorHit]:
    """Every row of the floor that matches, or what else makes the floor keep the class."""
    reason = floor.finding(process_class)
    if reason is None:
        return []
    names = names_of(dict(process_class.attributes))
    parts = (
        ("minimum", parse_rows(MINIMUM_ROWS, "the gateway's compiled-in floor")),
        ("file", floor_file.rows if floor_file else ()),
        ("bundle", bundle_rows),
    )
    hits = [
        remedies.floor_row(part, row, matched, floor_file.version if floor_file else 0)
        for part, rows in parts
        for row in rows
        if (matched := [name for name in names if matches_any_case(row.pattern, name)])
    ]
    return hits or [remedies.floor_identity(reason)]
