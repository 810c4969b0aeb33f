"""One process, one decision: kept, unless a live lease of exactly its class says otherwise (P1)."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from gateway.wire.classes import permille_up
from gateway.wire.verdicts import KEEP_PERMILLE, Obligation, Verdict

Outcome = Literal["kept", "dropped", "sampled_out"]
Cause = Literal[
    "verdict", "sampled_in", "no_lease", "first_sample", "identity_unknown", "forced", "observing"
]

_SAMPLE_DOMAIN = b"compliance-gateway/sample/v1\n"

SENTENCES: dict[Cause, str] = {
    "verdict": "the gateway's verdict",
    "sampled_in": "the gateway's verdict samples this class, and this process is in the sample",
    "no_lease": "no live lease from the gateway for this class",
    "first_sample": "the first sample of a process is always kept",
    "identity_unknown": "nobody can say what this process is",
    "forced": "an override forces its collection",
    "observing": "the collector only observes",
}


@dataclass(frozen=True)
class Candidate:
    """What a decision needs to know of a process. `series_id` outlives samples, not the process.

    `class_key` is None while no class can be computed (no policy seen, attributes unusable).
    """

    series_id: str
    class_key: str | None
    is_identified: bool = True
    is_first_sample: bool = False
    is_forced: bool = False


@dataclass(frozen=True)
class Decision:
    """What happens to all of a process's points in one sample.

    `kept_permille` is the true share of the series kept, to weigh what was sampled in;
    `obligations` is None where no verdict gave any, and the strictest ones hold.
    """

    outcome: Outcome
    cause: Cause
    class_key: str | None
    kept_permille: int = KEEP_PERMILLE
    obligations: tuple[Obligation, ...] | None = None
    is_protected: bool = True

    @property
    def is_kept(self) -> bool:
        """Whether the points go on."""
        return self.outcome == "kept"


def decide(candidate: Candidate, verdict: Verdict | None, *, observe: bool = False) -> Decision:
    """The decision for a process; `verdict` is that of the live lease of its class, or None.

    Obligations of a live verdict hold for points that are kept for another reason, too.
    """
    key = candidate.class_key
    if verdict is None or key is None or verdict.lease is None or verdict.lease.class_key != key:
        return Decision("kept", _cause_of_keeping(candidate) or "no_lease", key)
    cause = _cause_of_keeping(candidate)
    obligations = verdict.obligations
    is_protected = _is_protected(verdict)
    if cause or verdict.action == "keep":
        return Decision(
            "kept", cause or "verdict", key, obligations=obligations, is_protected=is_protected
        )
    if observe:
        return Decision(
            "kept", "observing", key, obligations=obligations, is_protected=is_protected
        )
    if verdict.action == "drop":
        return Decision("dropped", "verdict", key, 0, obligations, is_protected)
    permille = permille_up(verdict.sample_rate)
    if is_sampled_in(candidate.series_id, key, permille):
        return Decision("kept", "sampled_in", key, permille, obligations, is_protected)
    return Decision("sampled_out", "verdict", key, permille, obligations, is_protected)


def is_sampled_in(series_id: str, class_key: str, kept_permille: int) -> bool:
    """Whether a process is in the sample: for its whole life in this class, on every host alike.

    Cumulative series are thinned by process, never by point: every n-th point of a counter is
    not a sample of anything.
    """
    digest = hashlib.sha256(_SAMPLE_DOMAIN + f"{class_key}\n{series_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % KEEP_PERMILLE < kept_permille


def _cause_of_keeping(candidate: Candidate) -> Cause | None:
    if candidate.is_forced:
        return "forced"
    if not candidate.is_identified:
        return "identity_unknown"
    return "first_sample" if candidate.is_first_sample else None


def _is_protected(verdict: Verdict) -> bool:
    kinds = {obligation.get("type") for obligation in verdict.obligations}
    return verdict.effect != "permitted" or bool(kinds & {"no_sampling", "full_audit"})
