"""Tables as they are not today: what they do not say now, tomorrow's may."""

import json
from pathlib import Path
from typing import Any

from tests.golden.tables import read_tables

Document = dict[str, Any]


def write_altered(policies: Path) -> None:
    """Put altered tables in the place of a folder's own."""
    tables = {name: dict(table) for name, table in read_tables(policies).by_name.items()}
    _alter_families(tables)
    _alter_residency(tables)
    _alter_limits(tables)
    for name, table in tables.items():
        (policies / "data" / name / "data.yaml").write_text(json.dumps(table))


def _alter_families(tables: dict[str, Document]) -> None:
    """A soft family, and families that reach an environment, some regions, or one country."""
    soft = {"level": "soft", "obligations": []}
    reach: dict[str, Document] = {
        "nydfs": soft,
        "ffiec": {"applies_to": {"environments": ["test"]}},
        "dora": {"applies_to": {"jurisdictions": ["eu"], "regions": ["eu-west-1", "westeurope"]}},
        "safety": {"applies_to": {"jurisdictions": ["de"]}},
    }
    for name, change in reach.items():
        tables[name]["family"] = {**tables[name]["family"], **change}
    tables["nydfs"]["services"] = [
        {**row, "sample_permille": 100 * number}
        for number, row in enumerate(tables["nydfs"]["services"], start=1)
    ]
    # Names count as they are, too.
    row = {**tables["sox"]["never_filter"][0], "id": "capitals", "regex": "^SAP-[A-Z]"}
    tables["sox"]["never_filter"] = [*tables["sox"]["never_filter"], row]


def _alter_residency(tables: dict[str, Document]) -> None:
    """Duties that leave less, or nothing, of the regions that are allowed; adequacy relied on."""
    rows = tables["gdpr"]["residency"]
    inside = {"id": "inside", "of": "services", "jurisdictions": ["ie"], "reason": "stays"}
    tables["gdpr"]["residency"] = [*rows, {**rows[0], **inside}]
    control = tables["pci"]["retention"][0]["control"]
    apart = {"id": "apart", "of": "services", "jurisdictions": ["us"], "reason": "is elsewhere"}
    tables["pci"]["residency"] = [{"control": control, **apart}]
    tables["adequacy"]["decisions"] = [
        {**row, "relied_on": row["jurisdiction"] in ("jp", "uk")}
        for row in tables["adequacy"]["decisions"]
    ]


def _alter_limits(tables: dict[str, Document]) -> None:
    # Of two limits of privacy the shorter one collides with evidence.
    later = {"id": "later", "reason": "a longer limit", "retain_days": {"at_most": 400}}
    rows = tables["gdpr"]["retention"]
    tables["gdpr"]["retention"] = [*rows, {**rows[0], **later}]
    baseline = tables["baseline"]
    baseline["critical_score"] = {**baseline["critical_score"], "at_least": 750}
