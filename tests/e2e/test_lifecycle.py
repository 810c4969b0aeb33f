"""A candidate's way at a live gateway: canaries by environment and region, and what becomes of one
that would take protection away. Asserted from answers and from the log's bytes."""

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.demo.workplace import TRUST_DOMAIN
from tests.fakes.live_bundles import (
    HARD_CONTROL,
    KEPT,
    Built,
    begin_with,
    small,
)
from tests.fakes.live_gateway import LiveGateway, end, run
from tests.fakes.live_log import Line, Reading, verify_whole
from tests.fakes.live_people import People, asked, people_at, until_served, verdict_of

ROLLOUT = "rollout: {share_permille: 200, dwell_seconds: 3, min_evaluated: 0}"
BY_PLACE = (
    "rollout: {environments: [dev, test, production], regions: [eu-west-1, us-east-1], "
    "share_permille: 200, dwell_seconds: 2, min_evaluated: 0}"
)
# As the rollout must come to them, and with them all others at last.
ORDER = (
    ("dev", "eu-west-1"),
    ("test", "eu-west-1"),
    ("production", "eu-west-1"),
    ("production", "us-east-1"),
)
ELSEWHERE = ("production", "ap-southeast-1")
SHARE_PERMILLE = 200
OF_EACH = 2  # collectors of each place inside the share, and as many outside
NEWLY_KEPT = "desk2-"
LEASE_SECONDS = 300

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[LiveGateway]:
    """Not started: a log that begins with the small bundle."""
    made = LiveGateway.make(tmp_path / "place")
    begin_with(made, small(made, 1))
    try:
        yield made
    finally:
        end(made)


@dataclass
class Fleet:
    """Collectors with a connection each, and the answers that they got."""

    clients: dict[str, httpx.Client]
    answers: dict[str, list[tuple[int, dict[str, Any]]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def ask(self, name: str) -> None:
        """Everybody asks to drop a process of this name."""
        for uri, client in self.clients.items():
            body = asked(client, name)
            self.answers[uri].append((body["policy"]["activation"], verdict_of(body)))


@contextlib.contextmanager
def fleet_of(gateway: LiveGateway, uris: list[str]) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        yield Fleet({uri: stack.enter_context(gateway.client(uri)) for uri in uris})


def test_canaries_are_those_of_the_hash_place_by_place(gateway: LiveGateway) -> None:
    gateway.set(ROLLOUT, BY_PLACE)
    second = small(gateway, 2, kept=(*KEPT, NEWLY_KEPT))
    uris = _pick(gateway, second)
    gateway.start()
    with people_at(gateway) as people, fleet_of(gateway, uris) as fleet:
        fleet.ask("log-shipper-1")
        id = people.stage(second)["id"]
        people.await_stage(id, "assessed")
        people.approve(id, second.bundle.hash)
        turn = 0
        while people.show(id)["stage"] != "active":
            turn += 1
            fleet.ask(f"{NEWLY_KEPT}{turn}")
        fleet.ask(f"{NEWLY_KEPT}last")
    reading = Reading.of(gateway)
    reading.verify_decisions()
    steps = reading.about("rollout.stepped", id)
    _verify_order(steps)
    _verify_lanes(reading, steps, second)
    for uri, answers in fleet.answers.items():
        for activation, verdict in answers[1:]:
            is_canary = _place(second, uri) < _share_at(reading, steps, activation, uri)
            is_over = reading.periods[activation].bundle == second.bundle.hash
            action = "keep" if is_canary or is_over else "drop"
            assert verdict["action"] == action or verdict["effect"] == "fail_safe", (
                uri,
                activation,
            )
        assert answers[-1][1]["action"] == "keep"
    verify_whole(gateway)


def _pick(gateway: LiveGateway, made: Built) -> list[str]:
    """Collectors of every place, inside the share and outside it."""
    uris = [gateway.collector("collector-0", *ELSEWHERE)]
    for environment, region in ORDER:
        found: dict[bool, list[str]] = {True: [], False: []}
        for number in range(1, 1_000):
            path = f"collector/{environment}/{region}/collector-{number}"
            uri = f"spiffe://{TRUST_DOMAIN}/{path}"
            group = found[_place(made, uri) < SHARE_PERMILLE]
            if len(group) < OF_EACH:
                group.append(gateway.enrol(path))
        uris += found[True] + found[False]
    return uris


def _place(made: Built, uri: str) -> int:
    """docs/formats.md section 11, Lanes, written out once more."""
    domain = b"compliance-gateway/canary/v1\n"
    digest = hashlib.sha256(domain + made.bundle.hash.encode() + b"\n" + uri.encode()).digest()
    return int.from_bytes(digest[:8], "big") % 1000


def _verify_order(stepped: list[Line]) -> None:
    """Environments in order, then regions in order, each a share first, then the rest."""
    wanted = [
        (environment, region if environment == "production" else "*", share)
        for environment, region in ORDER
        for share in (SHARE_PERMILLE, 1000)
    ]
    wanted.append(("*", "*", 1000))
    assert [entry.body["step"] for entry in stepped] == list(range(len(wanted)))
    for entry in stepped:
        found = [
            (step["environment"], step["region"], step["share_permille"])
            for step in entry.body["steps"]
        ]
        assert found == wanted
        assert entry.body["change"]["approval_id"] == "CHG-1"


def _share_at(reading: Reading, stepped: list[Line], activation: int, uri: str) -> int:
    """The share that covered the collector under this activation number."""
    environment, region = uri.split("/")[4:6]
    return max(
        (
            step["share_permille"]
            for entry in stepped
            for step in [entry.body["steps"][entry.body["step"]]]
            if entry.seq <= activation
            and step["environment"] in ("*", environment)
            and step["region"] in ("*", region)
        ),
        default=0,
    )


def _verify_lanes(reading: Reading, stepped: list[Line], made: Built) -> None:
    """Each recorded verdict is of the lane that its collector was in; and for each place, at one
    time collectors inside the share were canaries and those outside were not."""
    seen: dict[tuple[int, str], set[str]] = defaultdict(set)
    activated = reading.types("bundle.activated")[-1].seq
    for decision in reading.types("decisions"):
        activation, uri = decision.body["activation"], decision.actor
        share = _share_at(reading, stepped, activation, uri)
        is_canary = _place(made, uri) < share and activation < activated
        for cited in reading.cited(decision):
            lane = cited.evaluation.body["lane"]
            assert lane == ("canary" if is_canary else "active"), (decision.seq, uri)
            if 0 < share < 1000:
                seen[share, "/".join(uri.split("/")[4:6])].add(lane)
    for place in ORDER:
        assert seen[SHARE_PERMILLE, "/".join(place)] == {"canary", "active"}, place


def test_a_loss_that_nobody_listed_halts_and_listed_ones_may_go(gateway: LiveGateway) -> None:
    without = tuple(name for name in KEPT if name != "vault-")
    gateway.start()
    uris = [gateway.collector(f"collector-{number}") for number in range(1, 9)]
    with people_at(gateway) as people, fleet_of(gateway, uris) as fleet:
        fleet.ask("log-shipper-1")
        halted = _stage_and_approve(people, small(gateway, 2, kept=without))
        people.await_stage(halted, "rolling")
        view = _ask_until_halted(people, fleet, halted)
        loss = f"vault-1@production/eu-west-1 {HARD_CONTROL}"
        assert any("never-filter loss" in text and loss in text for text in _failures(view)), view
        assert loss in _told_to_alice(gateway, halted)
        fleet.ask("vault-2")
        people.reject(halted)
        fleet.ask("vault-3")
        for uri, answers in fleet.answers.items():
            found = {verdict["action"] for _, verdict in answers[1:]}
            assert found == {"keep"}, (uri, found)

        third = small(gateway, 3, kept=without)
        id = people.stage(third)["id"]
        impact = people.await_stage(id, "assessed")["impact"]
        assert loss in impact["losses"], impact
        refused = people.try_approve(id, third.bundle.hash)
        assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY, refused.text
        assert "by name" in refused.json()["detail"]
        refused = people.try_approve(id, third.bundle.hash, [loss])
        assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY, refused.text
        people.approve(id, third.bundle.hash, impact["losses"])
        people.await_stage(id, "active")
        body = until_served(fleet.clients[uris[0]], "vault-1")
        assert verdict_of(body)["action"] == "drop"
    reading = Reading.of(gateway)
    reading.verify_decisions()
    [halt] = reading.about("rollout.halted", halted)
    assert halt.body["change"]["approval_id"] == "CHG-1"
    assert halt.body["gate"]["never_filter_loss"] >= 1
    [approved] = reading.about("change.approved", id)
    [assessed] = reading.about("change.assessed", id)
    assert approved.body["losses_hash"] == assessed.body["losses_hash"]
    assert [entry.body["version"] for entry in reading.types("bundle.activated")] == [1, 3]
    verify_whole(gateway)


def _told_to_alice(gateway: LiveGateway, id: str) -> str:
    """What a person reads: `gateway change show`."""
    person = gateway.workplace.folder / "people" / "alice.yaml"
    done = run("gateway", "change", "show", id, "--person", str(person))
    assert done.returncode == 0, done.stderr
    assert "halted" in done.stdout
    return " ".join(done.stdout.split())


def _stage_and_approve(people: People, made: Built) -> str:
    id: str = people.stage(made)["id"]
    assert people.await_stage(id, "assessed")["impact"]["losses"] == []
    people.approve(id, made.bundle.hash)
    return id


def _ask_until_halted(people: People, fleet: Fleet, id: str) -> dict[str, Any]:
    """What was never seen before is asked about while the candidate is tried out."""
    fleet.ask("vault-1")
    return people.await_stage(id, "halted")


def _failures(view: dict[str, Any]) -> list[str]:
    found: list[str] = view["rollout"]["failures"]
    return found
