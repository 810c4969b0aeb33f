"""Applies decisions to one scrape: what is kept goes on with its obligations, the rest is counted.

A process's first sample is remembered here, so that short-lived processes are never unseen (P1).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from collector.enforce.decision import Decision
from collector.enforce.ledger import Ledger
from collector.enforce.obligations import oblige
from collector.model import (
    ProcessIdentity,
    ProcessSnapshot,
    Resource,
    ResourceMetrics,
    Scope,
    to_otlp_json,
)

SCOPE = Scope("collector")


@dataclass(frozen=True)
class Enforced:
    """One process of one scrape, with what was decided about it."""

    snapshot: ProcessSnapshot
    decision: Decision


class Enforcer:
    """Counts what is withheld in the ledger by class, and nothing else of it."""

    def __init__(self, ledger: Ledger, home_region: str) -> None:
        self._ledger = ledger
        self._home_region = home_region
        self._seen: frozenset[ProcessIdentity] = frozenset()

    def is_first_sample(self, identity: ProcessIdentity) -> bool:
        """Whether no earlier scrape saw this process."""
        return identity not in self._seen

    def apply(self, enforced: Iterable[Enforced]) -> list[dict[str, object]]:
        """The export requests of a scrape, each of protected points or of others, never mixed, so
        that a partial rejection can be told apart."""
        protected: list[ResourceMetrics] = []
        others: list[ResourceMetrics] = []
        seen = set()
        for item in enforced:
            seen.add(item.snapshot.identity)
            if item.decision.is_kept:
                kept = protected if item.decision.is_protected else others
                kept.append(self._keep(item))
            else:
                self._count(item)
        self._seen = frozenset(seen)
        return [to_otlp_json(kept) for kept in (protected, others) if kept]

    def _keep(self, item: Enforced) -> ResourceMetrics:
        attributes = oblige(item.snapshot.attributes, item.decision, self._home_region)
        return ResourceMetrics(Resource(attributes), SCOPE, item.snapshot.metrics)

    def _count(self, item: Enforced) -> None:
        key, points = item.decision.class_key, item.snapshot.point_count
        if key is None:
            raise ValueError("a point was withheld without a class: a defect in decide()")
        if item.decision.outcome == "dropped":
            self._ledger.count_dropped(key, points)
        else:
            self._ledger.count_sampled_out(key, points)
