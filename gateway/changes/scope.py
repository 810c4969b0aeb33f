"""What people name when they protect something or ask for an exception, parsed once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import canonical
from gateway.changes.people import parse_text, verify_printable
from gateway.decisions.floor import parse_rows
from gateway.errors import ChangeRefusedError, GatewayError, InputError
from gateway.wire.continuations import parse_tree
from gateway.wire.patterns import Pattern, parse_pattern

MAX_RULES = 20
MAX_EXCEPTION_HOURS = 30 * 24
MAX_REASON_CHARACTERS = 500
DEFAULT_CONTROL = "PROTECTION/manual"

_PLACE = "pattern"
_WORD = re.compile(r"[A-Za-z0-9._/ ()§:-]{1,200}")
_SENDER_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class ProtectionWish:
    """A floor row that somebody wants now."""

    kind: str
    text: str
    reason: str
    control: str

    def row(self, row_id: str) -> dict[str, canonical.Value]:
        """As floor rows are (docs/formats.md section 7)."""
        return {"control": self.control, "id": row_id, "reason": self.reason, self.kind: self.text}

    def is_of(self, row: Mapping[str, Any]) -> bool:
        """Whether the row protects just this, for the same control."""
        return row.get(self.kind) == self.text and row.get("control") == self.control


@dataclass(frozen=True, slots=True)
class ExceptionWish:
    """What an exception is to be for. Empty environment or region: any."""

    rules: tuple[str, ...]
    kind: str
    text: str
    environment: str
    region: str
    hours: int
    reason: str

    def subject(self, expires: str) -> dict[str, canonical.Value]:
        """As docs/formats.md section 11 says."""
        return {
            "environment": self.environment,
            "expires": expires,
            "pattern": {self.kind: self.text},
            "reason": self.reason,
            "region": self.region,
            "rules": list(self.rules),
        }

    def is_of(self, subject: Mapping[str, Any]) -> bool:
        """Whether a staged exception asks for the same; when it ends does not count."""
        return {**self.subject(""), "expires": subject["expires"]} == dict(subject)


def parse_protection(kind: str, text: str, reason: str, control: str) -> ProtectionWish:
    """Raises InputError. A protecting pattern may match too much, never nothing at all."""
    pattern = _parse(kind, text)
    wish = ProtectionWish(
        pattern.kind,
        pattern.text,
        parse_text(reason, "reason", MAX_REASON_CHARACTERS),
        parse_text(control, "control") if control.strip() else DEFAULT_CONTROL,
    )
    try:
        parse_rows([wish.row("protect-0")], "the protection")
    except GatewayError as error:
        raise InputError(str(error)) from None
    return wish


def parse_exception(
    rules: Sequence[str],
    kind: str,
    text: str,
    environment: str,
    region: str,
    hours: int,
    reason: str,
) -> ExceptionWish:
    """Raises InputError. An exception lets data go, so its pattern must match whole names."""
    pattern = _parse(kind, text)
    if not is_whole(pattern):
        raise InputError(
            "pattern: an exception must match whole names; write the regex as ^…$, or a glob"
        )
    if not 1 <= len(rules) <= MAX_RULES or not all(map(_WORD.fullmatch, rules)):
        raise InputError(f"rules: name 1 to {MAX_RULES} rules or control ids")
    for name, value in (("environment", environment), ("region", region)):
        if value and not _SENDER_NAME.fullmatch(value):
            raise InputError(f"{name}: letters, digits, '.', '_' and '-' alone")
    if not 1 <= hours <= MAX_EXCEPTION_HOURS:
        raise InputError(f"hours: 1 to {MAX_EXCEPTION_HOURS}; an exception ends within 30 days")
    return ExceptionWish(
        tuple(sorted(set(rules))),
        pattern.kind,
        pattern.text,
        environment,
        region,
        hours,
        parse_text(reason, "reason", MAX_REASON_CHARACTERS),
    )


def verify_soft(rules: Sequence[str], levels: Mapping[str, str]) -> None:
    """Raises ChangeRefusedError where a rule is hard, or is not one of the bundle in force: an
    exception from nothing would only look like one. `levels` are by rule and control."""
    for rule in rules:
        level = levels.get(rule)
        if level == "hard":
            raise ChangeRefusedError(
                f"{rule} is hard: there is no exception from it; change the policy instead"
            )
        if not level:
            raise ChangeRefusedError(
                f"the bundle in force has no rule or control {rule}; "
                "`gateway policy register` lists them"
            )


def is_whole(pattern: Pattern) -> bool:
    """Whether every match is the whole name; False when in doubt."""
    if pattern.kind == "glob":
        return True
    parsed = parse_tree(pattern.expression)
    if parsed is None:
        return False
    nodes, _ = parsed
    return _is_at(nodes, 0, _BEGINNINGS) and _is_at(nodes, -1, _ENDS)


_BEGINNINGS = ("AT_BEGINNING", "AT_BEGINNING_STRING")
_ENDS = ("AT_END", "AT_END_STRING")


def _is_at(nodes: Sequence[Any], place: int, wanted: tuple[str, ...]) -> bool:
    """Whether the first (0) or last (-1) node holds the match to that end, on every branch."""
    if not nodes:
        return False
    kind, argument = str(nodes[place][0]), nodes[place][1]
    if kind == "AT":
        return str(argument) in wanted
    if kind == "SUBPATTERN":
        _, added, _, inner = argument
        multiline = bool(added & re.MULTILINE)  # ^ and $ are then ends of lines
        return not multiline and _is_at(list(inner), place, wanted)
    if kind == "BRANCH":
        return all(_is_at(list(branch), place, wanted) for branch in argument[1])
    return False


def _parse(kind: str, text: str) -> Pattern:
    try:
        pattern = parse_pattern(kind, text, _PLACE)
    except GatewayError as error:
        raise InputError(str(error)) from None
    verify_printable(text, _PLACE)
    return pattern
