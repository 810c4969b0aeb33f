"""What operators write of importance, parsed once.

process_classification:
  phi_processing:
    score: 1.0                       # 0 nothing lost without it … 1 never filtered
    patterns:
      - "^patient-data-service"      # an RE2 search
      - glob: "prescription-*"       # or a glob, which matches the whole name
    special_handling:
      - no_sampling: true
overrides:
  - process: "payment-gateway-*"     # a glob
    force_collect: true              # or importance: 0.95
    reason: "PCI compliance"
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collector.errors import ConfigError
from gateway.errors import ConfigError as WireConfigError
from gateway.wire.patterns import KINDS, Pattern, is_anchored, parse_pattern, parse_row

DROPPABLE_BELOW = 0.5
SPECIAL_HANDLING = frozenset({"no_sampling", "full_audit_trail", "encrypted_storage"})
_CLASS_MEMBERS = frozenset({"score", "patterns", "special_handling"})
_OVERRIDE_MEMBERS = frozenset({"process", "force_collect", "importance", "reason"})
_MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class ClassRule:
    """One class: what belongs to it and what it scores (0 to 1)."""

    name: str
    score: float
    patterns: tuple[Pattern, ...]
    special_handling: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Override:
    """One override; `importance` is a score or None."""

    pattern: Pattern
    force_collect: bool
    importance: float | None
    reason: str


def parse_classification(value: Any, place: str) -> tuple[ClassRule, ...]:
    """The classes of `process_classification` (None is none). Raises ConfigError naming the place;
    a class that allows dropping (score < 0.5) must anchor each regex: `etcd` also finds
    `etcd-check`, which may only ever protect too much."""
    if value is None:
        return ()
    classes = _mapping(value, place, "a mapping from class names to score and patterns")
    return tuple(_parse_class(name, body, f"{place}.{name}") for name, body in classes.items())


def parse_overrides(value: Any, place: str) -> tuple[Override, ...]:
    """The rows of `overrides` (None is none). Raises ConfigError naming the place."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ConfigError(f"{place}: overrides are a list; begin each with - process:")
    return tuple(_parse_override(row, f"{place}[{at}]") for at, row in enumerate(value))


def _parse_class(name: str, value: Any, place: str) -> ClassRule:
    body = _mapping(value, place, "a mapping with score and patterns")
    _refuse_unknown(body, _CLASS_MEMBERS, place)
    score = _share(body.get("score"), f"{place}.score")
    rows = body.get("patterns")
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{place}.patterns: a class needs at least one pattern; list them")
    patterns = tuple(_parse_row(row, f"{place}.patterns[{at}]") for at, row in enumerate(rows))
    if score < DROPPABLE_BELOW:
        for at, pattern in enumerate(patterns):
            _verify_droppable(pattern, f"{place}.patterns[{at}]")
    handling = _parse_handling(body.get("special_handling"), f"{place}.special_handling")
    return ClassRule(name, score, patterns, handling)


def _parse_row(row: Any, place: str) -> Pattern:
    try:
        if isinstance(row, Mapping):
            _refuse_unknown(row, frozenset(KINDS), place)
            return parse_row(row, place)
        return parse_pattern("regex", row, place)
    except WireConfigError as error:
        raise ConfigError(str(error)) from None


def _verify_droppable(pattern: Pattern, place: str) -> None:
    if not is_anchored(pattern):
        raise ConfigError(
            f"{place}: a class that allows dropping must not match in the middle of a name; "
            "begin the regex with ^ or write a glob"
        )
    if pattern.matches(""):
        raise ConfigError(f"{place}: the pattern matches every name; name what may be dropped")


def _parse_handling(value: Any, place: str) -> frozenset[str]:
    """`[{no_sampling: true}, …]`, as the scenarios write it, or one mapping."""
    if value is None:
        return frozenset()
    rows = value if isinstance(value, list) else [value]
    wanted: dict[str, bool] = {}
    for row in rows:
        for name, flag in _mapping(row, place, "rows such as no_sampling: true").items():
            if name not in SPECIAL_HANDLING or not isinstance(flag, bool):
                known = ", ".join(sorted(SPECIAL_HANDLING))
                raise ConfigError(f"{place}: write true or false after one of {known}")
            wanted[name] = wanted.get(name, False) or flag
    return frozenset(name for name, flag in wanted.items() if flag)


def _parse_override(value: Any, place: str) -> Override:
    row = _mapping(value, place, "a mapping with process and force_collect or importance")
    _refuse_unknown(row, _OVERRIDE_MEMBERS, place)
    try:
        pattern = parse_pattern("glob", row.get("process"), f"{place}.process")
    except WireConfigError as error:
        raise ConfigError(str(error)) from None
    force = row.get("force_collect", False)
    if not isinstance(force, bool):
        raise ConfigError(f"{place}.force_collect: write true or false")
    importance = None
    if "importance" in row:
        importance = _share(row["importance"], f"{place}.importance")
    if not force and importance is None:
        raise ConfigError(f"{place}: the override changes nothing; add force_collect or importance")
    reason = row.get("reason", "")
    if not isinstance(reason, str) or len(reason) > _MAX_REASON:
        raise ConfigError(f"{place}.reason: write text of at most {_MAX_REASON} characters")
    if importance is not None and importance < DROPPABLE_BELOW:
        _verify_droppable(pattern, f"{place}.process")
    return Override(pattern, force, importance, reason)


def _mapping(value: Any, place: str, wanted: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place}: write {wanted}")
    return value


def _refuse_unknown(row: Mapping[str, Any], known: frozenset[str], place: str) -> None:
    for name in row:
        if name not in known:
            wanted = ", ".join(sorted(known))
            raise ConfigError(f"{place}.{name}: not known here; write one of {wanted}")


def _share(value: Any, place: str) -> float:
    """A number of 0..1; NaN fails the comparison and is refused too."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(f"{place}: write a number from 0 to 1")
    return float(value)
