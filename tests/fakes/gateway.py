"""A gateway in memory that speaks docs/formats.md through httpx.MockTransport.

It keeps a real Merkle tree and signs real checkpoints, so that a client's evidence checks are
tested against true proofs; tests bend single answers by setting the fields.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.clock import Clock, format_time
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash
from gateway.transparency.merkle import (
    consistency_proof,
    inclusion_proof,
    node_reader,
    tree_root,
)
from gateway.transparency.notes import Signer
from gateway.wire.classes import ClassDeclaration, Sender, project
from gateway.wire.succession import CHECKPOINT_HEADER

ORIGIN = "log.example.test/eu-west-1"
SENDER = Sender("production", "eu-west-1", "unlisted")
DECLARATION = ClassDeclaration(
    ("process.executable.name", "compliance.process.identity", "service.name"),
    (250, 500, 750, 900, 1000),
)

Judge = Callable[[dict[str, Any]], dict[str, Any]]


def permit(proposal: dict[str, Any]) -> dict[str, Any]:
    """The verdict that grants what was proposed."""
    rate = {"drop": 0.0, "keep": 1.0}.get(proposal["action"], proposal.get("sample_rate"))
    return {"action": proposal["action"], "sample_rate": rate, "effect": "permitted"}


def protect(proposal: dict[str, Any]) -> dict[str, Any]:
    """The verdict that keeps."""
    reason = {
        "control": "PCI-DSS-4.0.1/10.2.1",
        "rule": "rules.pci.cardholder_systems",
        "level": "hard",
        "message": "cardholder system",
    }
    return {"action": "keep", "sample_rate": 1.0, "effect": "overridden", "reasons": [reason]}


class FakeGateway:
    """Answers requests; `down` raises a connection error, `status` answers with that status."""

    def __init__(self, clock: Clock, judge: Judge = permit, ttl_seconds: int = 300) -> None:
        self.clock = clock
        self.judge = judge
        self.ttl_seconds = ttl_seconds
        self.activation = 3
        self.down = False
        self.status: int | None = None
        self.answer_with: bytes | None = None
        self.bend: Callable[[dict[str, Any]], None] = lambda _: None
        self.sees_checkpoint = True
        self.asked: list[list[dict[str, Any]]] = []
        self.paths: list[str] = []
        self.reports: list[dict[str, Any]] = []
        self.fork_reports: list[dict[str, str]] = []
        self.fork_status = 200
        self.shown: list[str | None] = []  # the checkpoints that collectors showed, as sent
        self.opening: bytes | None = None  # entry 0, where this log succeeds another
        self.leaves: list[bytes] = []
        self.handovers: list[dict[str, Any]] = []
        self.signer = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x07" * 32))
        self.append("log.opened")

    def open_http(self) -> httpx.Client:
        """A client whose only network is this object."""
        return httpx.Client(
            base_url="https://gateway.test", transport=httpx.MockTransport(self.handle)
        )

    def succeed(self, signer: Signer, opening: bytes) -> None:
        """Go on as another log: activations count anew."""
        self.signer, self.opening, self.activation = signer, opening, 1
        self.leaves = [leaf_hash(opening)]
        self.append("bundle.activated")

    def hand_over(self, new: Signer) -> None:
        """Hand the key over, as a real log does, and sign with `new` from now on."""
        seq = len(self.leaves)
        body = canonical.encode({"new": new.vkey, "old": self.signer.vkey})
        data = encode_entry(ORIGIN, seq, GENESIS, 0, "key.handed-over", "gateway", body)
        self.leaves.append(leaf_hash(data))
        root = tree_root(seq + 1, node_reader(self.leaves))
        note = sign_checkpoint(seq + 1, root, self.signer, [new]).note
        path = inclusion_proof(seq, seq + 1, node_reader(self.leaves))
        self.handovers.append(
            {
                "entry": base64.b64encode(data).decode(),
                "checkpoint": note,
                "proof": [step.hex() for step in path],
            }
        )
        self.signer = new

    def append(self, text: str) -> dict[str, Any]:
        """Add an entry; its index and leaf hash as answers carry them."""
        leaf = hashlib.sha256(b"\x00" + text.encode()).digest()
        self.leaves.append(leaf)
        return {"index": len(self.leaves) - 1, "leaf_hash": leaf.hex()}

    def checkpoint(self) -> str:
        """The newest signed note."""
        size = len(self.leaves)
        return sign_checkpoint(size, tree_root(size, node_reader(self.leaves)), self.signer).note

    def handle(self, request: httpx.Request) -> httpx.Response:
        """The answer to one request."""
        self.paths.append(request.url.path)
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        if self.status is not None:
            problem = {"type": "urn:compliance-gateway:problem:test", "status": self.status}
            return httpx.Response(self.status, json=problem)
        if self.answer_with is not None:
            return httpx.Response(200, content=self.answer_with)
        routes = {
            "/v1/decisions": self._decide,
            "/v1/ledger": self._take_report,
            "/v1/policy": self._policy,
            "/v1/checkpoint": lambda _: httpx.Response(200, text=self.checkpoint()),
            "/v1/checkpoint/consistency": self._consistency,
            "/v1/checkpoint/inclusion": self._inclusion,
            "/v1/checkpoint/handovers": lambda _: httpx.Response(
                200, json={"handovers": self.handovers}
            ),
            "/v1/witness-report": self._take_fork_report,
            "/v1/succession": self._succession,
        }
        return routes[request.url.path](request)

    def _decide(self, request: httpx.Request) -> httpx.Response:
        proposals = json.loads(request.content)["proposals"]
        self.asked.append(proposals)
        verdicts = [self._verdict(proposal) for proposal in proposals]
        answer: dict[str, Any] = {
            "policy": {
                "activation": self.activation,
                "revision": "7-0a1b",
                "bundle": "aa",
                "floor": "bb",
            },
            "entries": [self.append(f"decisions {len(self.leaves)}")],
            "verdicts": verdicts,
            "refs": [[proposal["ref"], at] for at, proposal in enumerate(proposals)],
        }
        answer["checkpoint"] = self.checkpoint() if self.sees_checkpoint else None
        self.bend(answer)
        return httpx.Response(200, json=answer)

    def _verdict(self, proposal: dict[str, Any]) -> dict[str, Any]:
        verdict = self.judge(proposal)
        if "lease" in verdict or verdict["effect"] == "fail_safe":
            return {"lease": None, **verdict}
        process_class = project(
            DECLARATION,
            SENDER,
            proposal["process"],
            proposal["action"],
            proposal.get("sample_rate"),
            proposal.get("score"),
            proposal.get("profile", ""),
        )
        lease = {
            "class": process_class.key(),
            "activation": self.activation,
            "ttl_seconds": self.ttl_seconds,
            "expires": format_time(self.clock.now_us() + self.ttl_seconds * 1_000_000),
            "max_uses": None,
        }
        return {**verdict, "lease": lease}

    def _take_report(self, request: httpx.Request) -> httpx.Response:
        self.reports.append(json.loads(request.content))
        entry = self.append(f"report {len(self.leaves)}")
        return httpx.Response(200, json={**entry, "balanced": True, "mismatches": []})

    def _take_fork_report(self, request: httpx.Request) -> httpx.Response:
        self.fork_reports.append(json.loads(request.content))
        if self.fork_status != 200:
            return httpx.Response(self.fork_status, json={"status": self.fork_status})
        return httpx.Response(200, json={**self.append("fork.reported"), "kind": "fork"})

    def _succession(self, _: httpx.Request) -> httpx.Response:
        if self.opening is None:
            return httpx.Response(404, json={"status": 404})
        proof = inclusion_proof(0, len(self.leaves), node_reader(self.leaves))
        answer = {
            "entry": base64.b64encode(self.opening).decode(),
            "proof": [step.hex() for step in proof],
            "checkpoint": self.checkpoint(),
        }
        return httpx.Response(200, json=answer)

    def _policy(self, request: httpx.Request) -> httpx.Response:
        self.shown.append(request.headers.get(CHECKPOINT_HEADER))
        return httpx.Response(
            200,
            json={
                "activation": self.activation,
                "revision": "7-0a1b",
                "bundle": "aa",
                "floor": "bb",
                "class": {
                    "attributes": list(DECLARATION.attributes),
                    "score_edges": list(DECLARATION.score_edges),
                },
                "max_age_seconds": 3600,
            },
        )

    def _consistency(self, request: httpx.Request) -> httpx.Response:
        old, new = (int(request.url.params[name]) for name in ("from", "to"))
        if not old <= new <= len(self.leaves):
            return httpx.Response(404, json={"status": 404})
        return _proof(consistency_proof(old, new, node_reader(self.leaves[:new])))

    def _inclusion(self, request: httpx.Request) -> httpx.Response:
        index, size = (int(request.url.params[name]) for name in ("index", "size"))
        if not index < size <= len(self.leaves):
            return httpx.Response(404, json={"status": 404})
        return _proof(inclusion_proof(index, size, node_reader(self.leaves[:size])))


def _proof(hashes: list[bytes]) -> httpx.Response:
    return httpx.Response(200, json={"hashes": [step.hex() for step in hashes]})
