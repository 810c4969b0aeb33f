"""One verdict from proposal, policies and floor: the most protective of the three wins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import canonical
from gateway.engine.port import RuleVerdict
from gateway.wire.classes import ProcessClass
from gateway.wire.verdicts import KEEP_PERMILLE, Action, Effect, Reason, protection


@dataclass(frozen=True, slots=True)
class Settled:
    """A verdict for a class, before it has a lease."""

    action: Action
    sample_permille: int
    effect: Effect
    reasons: tuple[Reason, ...]
    obligations: tuple[Mapping[str, Any], ...]
    ttl_seconds: int

    def record(self) -> canonical.Value:
        """The verdict as the log holds it."""
        return {
            "action": self.action,
            "effect": self.effect,
            "obligations": [dict(obligation) for obligation in self.obligations],
            "reasons": [
                {
                    "control": reason.control,
                    "level": reason.level,
                    "message": reason.message,
                    "remediation": reason.remediation,
                    "rule": reason.rule,
                }
                for reason in self.reasons
            ],
            "sample_permille": self.sample_permille,
            "ttl_seconds": self.ttl_seconds,
        }


def settle(process_class: ProcessClass, rules: RuleVerdict, floor: Reason | None) -> Settled:
    """Keep > sample at a higher rate > sample at a lower rate > drop (P2)."""
    proposed = protection(process_class.action, process_class.sample_permille)
    share = max(proposed, protection(rules.action, rules.sample_permille))
    bound = any(obligation.get("type") == "no_sampling" for obligation in rules.obligations)
    if floor is not None or bound:
        share = KEEP_PERMILLE
    action = action_of(share)
    # A rate so near to 1 that it rounds up to it is kept whole, which is not what was proposed.
    is_as_proposed = (action, share) == (process_class.action, proposed)
    return Settled(
        action=action,
        sample_permille=share,
        effect="permitted" if is_as_proposed else "overridden",
        reasons=(floor, *rules.reasons) if floor is not None else rules.reasons,
        obligations=rules.obligations,
        ttl_seconds=rules.ttl_seconds,
    )


def fail_safe(code: str, message: str) -> Settled:
    """Keep, because no verdict could be had. Never leased, never cached."""
    reason = Reason(
        control="FAIL-SAFE",
        rule=f"gateway.{code}",
        level="hard",
        message=message,
        remediation="nothing to do for the process; see the gateway's /readyz and metrics",
    )
    return Settled("keep", KEEP_PERMILLE, "fail_safe", (reason,), (), 0)


def action_of(share: int) -> Action:
    """The action that keeps this share (permille)."""
    if share >= KEEP_PERMILLE:
        return "keep"
    return "sample" if share else "drop"
