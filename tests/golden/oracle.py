"""What the policies must answer, worked out in plain Python from the data tables and the prose.

Written from docs/formats.md (sections 2, 6 and 7), docs/policies.md and the rules'
METADATA, not from the Rego, and it shares no code with the gateway: where the two disagree, one of
them is wrong.
"""

from typing import Any

from tests.golden.baseline import Process, Sender, baseline_findings
from tests.golden.families import family_findings
from tests.golden.findings import Finding, Reason
from tests.golden.obligations import merge_obligations
from tests.golden.tables import Row, Tables

RANKS = {"hard": 0, "soft": 1, "advisory": 2}
DEFAULT_TTL_SECONDS = 300


def expect(tables: Tables, question: dict[str, Any]) -> list[dict[str, Any]]:
    """The verdict of each proposal that has a ref, in order. `reasons` are sorted by level and
    then by control, rule and message: policies promise the levels' order only."""
    sender = Sender.of(question)
    return [
        {"ref": proposal["ref"], **_verdict(tables, sender, proposal)}
        for proposal in question["proposals"]
        if isinstance(proposal, dict) and "ref" in proposal
    ]


def _verdict(tables: Tables, sender: Sender, proposal: dict[str, Any]) -> dict[str, Any]:
    process = Process.of(proposal, tables)
    found = [
        *baseline_findings(tables, sender, proposal, process),
        *family_findings(tables, sender, process),
    ]
    obligations, conflicts = merge_obligations(found, tables)
    reasons = {finding.reason for finding in found} | set(conflicts)
    return {
        **_ruling(reasons, found, obligations, proposal, tables, sender),
        "reasons": [
            reason._asdict()
            for reason in sorted(reasons, key=lambda reason: (RANKS[reason.level], reason))
        ],
        "obligations": obligations,
    }


def _ruling(
    reasons: set[Reason],
    found: list[Finding],
    obligations: list[Row],
    proposal: dict[str, Any],
    tables: Tables,
    sender: Sender,
) -> dict[str, Any]:
    """Hard keeps; soft keeps what was to be dropped and raises a sample; advice permits."""
    levels = {reason.level for reason in reasons} - {"advisory"}
    if not levels:
        by_tier = tables.by_name["leases"]["permit_ttl_seconds"]
        return {
            "decision": "permit",
            "action": proposal["action"],
            "sample_permille": proposal["sample_permille"],
            "ttl_seconds": by_tier.get(sender.tier, DEFAULT_TTL_SECONDS),
        }
    action, share = "keep", 1000
    # A conflict of duties asks for the whole, whatever share the findings ask for.
    asked = [one.sample_permille for one in found if one.reason.level != "advisory"]
    least = max(asked, default=1000)
    is_sampled_whole = {"type": "no_sampling"} in obligations or least >= 1000
    if levels == {"soft"} and proposal.get("action") == "sample" and not is_sampled_whole:
        action, share = "sample", max(least, proposal["sample_permille"])
    return {
        "decision": "protect",
        "action": action,
        "sample_permille": share,
        "ttl_seconds": DEFAULT_TTL_SECONDS,
    }
