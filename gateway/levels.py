"""How hard a rule or control of a bundle is, for exceptions to be refused early. Part of
composition; what an exception really lifts is decided at each verdict (decisions/exceptions.py)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.authoring.rule_sources import read_rules
from gateway.bundles.folder import Bundle

_ORDER = ("advisory", "soft", "hard")


def read_levels(bundle: Bundle, opa: Path) -> Mapping[str, str]:
    """The level of each rule (Rego package) and each control; of several the hardest. Asks OPA to
    read the rules: call it outside an event loop. Raises BundleError."""
    levels: dict[str, str] = {}
    for family in _tables(bundle.data):
        head = family.get("family")
        level = head.get("level") if isinstance(head, Mapping) else None
        for control in family.get("controls") or []:
            if isinstance(control, Mapping) and isinstance(level, str):
                _note(levels, str(control.get("id")), level)
    for rule in read_rules(bundle.files, opa):
        if rule.is_rule:
            for name in (rule.package, *rule.controls):
                _note(levels, name, rule.level)
    return levels


def _tables(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tables = data.get("data", {})
    return [table for table in tables.values() if isinstance(table, Mapping)]


def _note(levels: dict[str, str], name: str, level: str) -> None:
    known = levels.get(name)
    if level in _ORDER and (known is None or _ORDER.index(level) > _ORDER.index(known)):
        levels[name] = level
