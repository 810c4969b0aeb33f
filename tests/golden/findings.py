"""What one row has to say of one process."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.golden.tables import Row, Rule


class Reason(NamedTuple):
    """As docs/formats.md section 6 has it; sorts by control."""

    control: str
    rule: str
    level: str
    message: str
    remediation: str


@dataclass(frozen=True, slots=True)
class Finding:
    """`sample_permille` is the least share that is kept; `row` names it where duties collide."""

    reason: Reason
    row: str
    obligations: tuple[Row, ...] = ()
    sample_permille: int = 1000


def find(
    rule: Rule, row: Row, obligations: tuple[Row, ...] = (), family: Mapping[str, Any] | None = None
) -> Finding:
    """The finding of a row under a rule. A family's title, level and remediation come before those
    of METADATA, and the row's own remediation before both."""
    head = family or {}
    level = head.get("level", "hard") if rule.name.endswith(".services") else rule.level
    reason = Reason(
        control=row["control"],
        rule=rule.name,
        level=level,
        message=f"{head.get('title', rule.title)}: {row['reason']} ({row['id']})",
        remediation=row.get("remediation", head.get("remediation", rule.remediation)),
    )
    return Finding(reason, row["id"], obligations, row.get("sample_permille", 1000))
