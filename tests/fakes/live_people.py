"""An author and an approver at a live gateway's change queue, over mutual TLS."""

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.demo.workplace import TRUST_DOMAIN
from tests.fakes.live_bundles import Built
from tests.fakes.live_gateway import LiveGateway, proposals

ALICE = f"spiffe://{TRUST_DOMAIN}/author/alice"
BOB = f"spiffe://{TRUST_DOMAIN}/approver/bob"
PATIENCE_SECONDS = 60.0  # other work may hold the machine
View = dict[str, Any]


@dataclass
class People:
    """Alice stages and protects, Bob approves and rejects. Each command gives the queue's answer,
    and fails the test unless the queue took it."""

    alice: httpx.Client
    bob: httpx.Client

    def stage(self, made: Built, why: str = "a rule changes") -> View:
        archive = base64.b64encode(made.archive).decode()
        return _taken(
            self.alice.post("/v1/changes", json={"archive": archive, "justification": why})
        )

    def approve(self, change_id: str, bundle: str = "", losses: Sequence[str] = ()) -> View:
        return _taken(self.try_approve(change_id, bundle, losses))

    def try_approve(
        self, change_id: str, bundle: str = "", losses: Sequence[str] = ()
    ) -> httpx.Response:
        """As `approve`; the answer may be a refusal."""
        said = {"justification": "read it", "approval_id": "CHG-1", "bundle": bundle}
        return self.bob.post(
            f"/v1/changes/{change_id}/approve", json={**said, "losses": list(losses)}
        )

    def reject(self, change_id: str) -> View:
        return _taken(
            self.bob.post(f"/v1/changes/{change_id}/reject", json={"justification": "not this"})
        )

    def protect(self, glob: str) -> View:
        return _taken(
            self.alice.post("/v1/protections", json={"glob": glob, "reason": "under attack"})
        )

    def ask_exception(self, rule: str, glob: str, hours: int = 1) -> View:
        asked = {"rules": [rule], "glob": glob, "hours": hours, "reason": "a night of repairs"}
        return _taken(self.alice.post("/v1/exceptions", json=asked))

    def roll_back(self, to: str = "") -> View:
        said = {"justification": "it went wrong", "to": to}
        return _taken(self.alice.post("/v1/rollback", json=said))

    def show(self, change_id: str) -> View:
        return _taken(self.alice.get(f"/v1/changes/{change_id}"))

    def await_stage(self, change_id: str, *stages: str, seconds: float = PATIENCE_SECONDS) -> View:
        """The change, once it is that far; fails the test when it ended elsewhere."""
        over = {"rejected", "ended", "halted"}
        if "ended" not in stages:  # a live exception is active, and then ends
            over.add("active")
        view: View = {}

        def is_there() -> bool:
            view.update(self.show(change_id))
            assert view["stage"] in stages or view["stage"] not in over, view
            return view["stage"] in stages

        await_true(is_there, lambda: f"{change_id} is not {stages}: {view}", seconds)
        return view

    def put_in_force(self, made: Built, losses: Sequence[str] = ()) -> View:
        """Stage, wait for the impact, approve, wait until it is active."""
        id = self.stage(made)["id"]
        self.await_stage(id, "assessed")
        self.approve(id, made.bundle.hash, losses)
        return self.await_stage(id, "active")


@contextmanager
def people_at(gateway: LiveGateway) -> Iterator[People]:
    """Alice and Bob, each with a connection to this gateway."""
    with gateway.client(ALICE) as alice, gateway.client(BOB) as bob:
        yield People(alice, bob)


def await_true(
    is_met: Callable[[], bool], what: Callable[[], str], seconds: float = PATIENCE_SECONDS
) -> float:
    """Wait until it holds; how long it took."""
    started = time.monotonic()
    while not is_met():
        assert time.monotonic() - started < seconds, f"not within {seconds:g} s: {what()}"
        time.sleep(0.02)
    return time.monotonic() - started


def asked(client: httpx.Client, name: str) -> dict[str, Any]:
    """The answer to a collector that would drop a process of this name."""
    answer = client.post("/v1/decisions", json=proposals([name]))
    assert answer.status_code == httpx.codes.OK, answer.text
    body: dict[str, Any] = answer.json()
    return body


def verdict_of(body: dict[str, Any]) -> dict[str, Any]:
    """The verdict of an answer to one proposal."""
    [[_, position]] = body["refs"]
    verdict: dict[str, Any] = body["verdicts"][position]
    return verdict


def until_served(client: httpx.Client, name: str) -> dict[str, Any]:
    """The first answer that is not fail-safe."""
    body: dict[str, Any] = {}

    def is_served() -> bool:
        body.update(asked(client, name))
        return bool(verdict_of(body)["effect"] != "fail_safe")

    await_true(is_served, lambda: f"{body}")
    return body


def _taken(answer: httpx.Response) -> View:
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    view: View = answer.json()
    return view
