"""Proposals as a fleet sends them: classes, churn, no two bodies equal; deterministic by seed."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_NAMES = (
    "log-shipper", "backup-service", "update-agent", "payment-gateway-eu", "patient-data-service",
    "customer-data-processor", "checkout-api", "search-indexer", "session-cache", "nginx",
    "postgres", "redis-server", "game-server", "matchmaking", "chat-service", "etcd", "kubelet",
    "node-exporter", "report-builder", "image-resizer",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Workload:
    """`bodies` are whole request bodies; `batch` proposals in each."""

    bodies: tuple[bytes, ...]
    batch: int


class Fleet:
    """Makes proposals. A class is a name, an owner and a deployment."""

    def __init__(self, seed: int, classes: int) -> None:
        self._random = random.Random(seed)
        self._classes = [self._make_class(f"c{number}") for number in range(classes)]
        # Zipf: few classes are most of the fleet.
        self._weights = [1 / (rank + 1) for rank in range(classes)]
        self._fresh = 0
        self._ref = 0

    def warm(self, batches: int, batch: int, new_share: float = 0.0) -> Workload:
        """Bodies over known classes; `new_share` of the proposals are of classes never seen."""
        return Workload(tuple(self._body(batch, new_share) for _ in range(batches)), batch)

    def every_class(self, batch: int) -> Workload:
        """Bodies that show each known class once."""
        known = [self._proposal(attributes) for attributes in self._classes]
        bodies = [_encode(known[at : at + batch]) for at in range(0, len(known), batch)]
        return Workload(tuple(bodies), batch)

    def _body(self, batch: int, new_share: float) -> bytes:
        chosen = self._random.choices(self._classes, self._weights, k=batch)
        proposals = []
        for attributes in chosen:
            if new_share and self._random.random() < new_share:
                self._fresh += 1
                attributes = self._make_class(f"n{self._fresh}")
            proposals.append(self._proposal(attributes))
        return _encode(proposals)

    def _make_class(self, unique: str) -> dict[str, str]:
        name = self._random.choice(_NAMES)
        return {
            "process.executable.name": name,
            "process.executable.path": f"/opt/{name}/bin/{name}",
            "process.owner": f"svc-{unique}",
            "service.name": f"{name}-{unique}",
            "service.namespace": "shop",
            "k8s.namespace.name": f"team-{self._random.randrange(40)}",
            "k8s.deployment.name": f"{name}-{unique}",
            "compliance.process.identity": name,
            "compliance.process.identity_source": "executable",
        }

    def _proposal(self, attributes: dict[str, str]) -> dict[str, Any]:
        self._ref += 1
        pid = self._random.randrange(2, 4_194_304)
        undeclared = {"process.pid": pid, "process.cpu.percent": round(self._random.random(), 6)}
        return {
            "ref": f"{pid}:{self._ref}",
            "process": {**attributes, **undeclared},
            "action": "drop",
            "score": 0.1,
            "profile": "balanced",
            "scorer": "patterns/1",
            "why": "edge_optional",
        }


def _encode(proposals: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps({"proposals": proposals}, separators=(",", ":")).encode()


def opa_bodies(workload: Workload, attributes: Sequence[str]) -> Workload:
    """The same proposals as OPA is asked: one array per call, what policies read and no more."""
    return Workload(tuple(_opa_body(body, attributes) for body in workload.bodies), workload.batch)


def _opa_body(body: bytes, attributes: Sequence[str]) -> bytes:
    proposals = [
        {
            "ref": str(position),
            "process": {name: proposal["process"][name] for name in attributes
                        if name in proposal["process"]},
            "action": proposal["action"],
            "sample_permille": 0,
            "score": 250,
            "profile": proposal["profile"],
        }
        for position, proposal in enumerate(json.loads(body)["proposals"])
    ]  # fmt: skip
    question = {
        "subject": {"environment": "production", "region": "eu-west-1", "tier": "unlisted"},
        "context": {"time": {"windows": []}},
        "proposals": proposals,
    }
    return json.dumps({"input": question}, separators=(",", ":")).encode()
