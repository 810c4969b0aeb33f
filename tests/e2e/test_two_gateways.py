"""Two gateway processes on one database: what is staged at one is approved at the other, both serve
the same activation, and what one of them dies in the middle of, the other goes on with.

`GATEWAY_DEATHS` is the number of kills (3 unless told), `GATEWAY_DEATHS_SEED` the seed to repeat.
"""

import contextlib
import os
import random
import secrets
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import pytest

from tests.fakes.live_bundles import begin_with, small
from tests.fakes.live_gateway import OPERATOR_URI, RESET_BEFORE_HANDSHAKE, LiveGateway, end
from tests.fakes.live_load import Asking, under_load
from tests.fakes.live_log import JOURNAL, Reading, verify_whole
from tests.fakes.live_people import People, await_true, people_at

DEATHS = int(os.environ.get("GATEWAY_DEATHS", "3"))
SAME_WITHIN_SECONDS = 1.5  # as a rule, and MOST at any time: other work may hold the machine
MOST_SECONDS = 10.0
PER_SECOND = 10.0
LIFE_SECONDS = 6.0  # a change takes about so long from its staging to its activation
DWELL = "dwell_seconds: 3, min_evaluated: 0"

pytestmark = [
    pytest.mark.opa,
    pytest.mark.slow,
    pytest.mark.timeout(300 + 30 * DEATHS),
    pytest.mark.filterwarnings(RESET_BEFORE_HANDSHAKE),
]


@dataclass
class Pair:
    """Gateways a and b, an operator at each, alice and bob at each."""

    a: LiveGateway
    b: LiveGateway

    @property
    def both(self) -> tuple[LiveGateway, LiveGateway]:
        return self.a, self.b

    def asking(self) -> list[Asking]:
        """Two collectors at each."""
        return [
            Asking(gateway, self.a.collector(f"{gateway.name}-{n}"), PER_SECOND, names)
            for gateway in self.both
            for n in (1, 2)
        ]


def names(turn: int) -> list[str]:
    """A class that is known, one that is kept, one that is new at times."""
    return [f"log-shipper-{turn % 5}", "vault-1", f"update-agent-{turn // 10}"]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    a = LiveGateway.make(tmp_path / "place")
    a.set(DWELL, "dwell_seconds: 1, min_evaluated: 0")
    begin_with(a, small(a, 1))
    b = a.beside("gateway-2")
    try:
        a.start()
        b.start()
        yield Pair(a, b)
    finally:
        end(a)
        end(b)


def test_both_may_begin_a_log_at_once(tmp_path: Path) -> None:
    a = LiveGateway.make(tmp_path / "place")
    begin_with(a, small(a, 1))
    b = a.beside("gateway-2")
    try:
        a.begin()
        b.begin()
        for gateway in (a, b):
            with gateway.client(OPERATOR_URI) as operator:
                gateway.await_status(operator, "/readyz", httpx.codes.OK)
        reading = Reading.of(a)
        assert len(reading.types("log.opened")) == len(reading.types("bundle.activated")) == 1
        assert len(reading.types("gateway.started")) == 2
    finally:
        end(a)
        end(b)


def test_both_serve_the_same_while_both_are_asked(pair: Pair) -> None:
    second = small(pair.a, 2)
    with contextlib.ExitStack() as stack:
        at_a = stack.enter_context(people_at(pair.a))
        at_b = stack.enter_context(people_at(pair.b))
        operators = [stack.enter_context(gateway.client(OPERATOR_URI)) for gateway in pair.both]
        load = stack.enter_context(under_load(pair.asking()))

        took = []
        row = at_a.protect("desk-*")
        took += [_await_same(operators, int(row["id"][1:]))]
        at_b.approve(row["id"])

        id = at_a.stage(second)["id"]
        at_b.await_stage(id, "assessed")
        at_b.approve(id, second.bundle.hash)
        view = at_a.await_stage(id, "active")
        took += [_await_same(operators, view["active"]["activation"])]

        back = at_b.roll_back()["id"]
        took += [
            _await_same(operators, int(back[1:]) + 1)
        ]  # the step to the more protective of both
        at_b.await_stage(back, "rolling")
        await_true(lambda: bool(at_a.show(back)["impact"]), lambda: "no impact of the rollback")
        at_a.approve(back, at_a.show(back)["subject"]["bundle"])
        view = at_a.await_stage(back, "active")
        took += [_await_same(operators, view["active"]["activation"])]
        anchor = operators[0].get("/v1/checkpoint").text

    reading = Reading.of(pair.a)
    assert not load.failures, load.failures
    effects = load.verify_answers(reading, pair.a.leaves())
    assert reading.verify_decisions() >= len(load.answers)
    assert [entry.body["version"] for entry in reading.types("bundle.activated")] == [1, 2, 1]
    assert {entry.actor for entry in reading.types("decisions")} == {one.uri for one in load.asking}
    assert effects["permitted"]
    _say(f"both served the same after {', '.join(f'{seconds:.2f}' for seconds in took)} s")
    _say(f"{len(load.answers)} answers of both, by effect: {dict(effects)}")
    assert median(took) < SAME_WITHIN_SECONDS
    for gateway in pair.both:
        assert gateway.stop() == 0, gateway.last_words()
    verify_whole(pair.a, anchor)


def test_whenever_one_dies_the_journal_folds_and_the_rest_goes_on(pair: Pair) -> None:
    seed = int(os.environ.get("GATEWAY_DEATHS_SEED", secrets.randbelow(2**32)))
    _say(f"GATEWAY_DEATHS={DEATHS} GATEWAY_DEATHS_SEED={seed}")
    randomness = random.Random(seed)
    deaths = []
    for number in range(DEATHS):
        dying, living = randomness.sample(pair.both, 2)
        made = small(pair.a, number + 2)
        with people_at(living) as people, under_load(pair.asking()[:4]) as load:
            id = people.stage(made)["id"]
            killer = threading.Timer(randomness.uniform(0.0, LIFE_SECONDS), dying.kill)
            killer.start()
            _go_on(people, id, made.bundle.hash)
            killer.join()
            people.protect(f"surprise-{number}-*")
        reading = Reading.of(pair.a)
        reading.verify_decisions()
        deaths.append(_died_after(dying, reading))
        for one in load.asking:
            assert one.gateway is dying or not one.failures, (seed, number, one.failures)
        load.verify_answers(reading, pair.a.leaves())
        versions = [entry.body["version"] for entry in reading.types("bundle.activated")]
        assert versions == list(range(1, number + 3)), (seed, number)
        dying.start()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(gateway.client(OPERATOR_URI)) for gateway in pair.both]
            _await_same(clients, max(reading.periods))
    _say(f"the last entries of those who died: {deaths}")
    for gateway in pair.both:
        assert gateway.stop() == 0, gateway.last_words()
    verify_whole(pair.a)


def _died_after(gateway: LiveGateway, reading: Reading) -> str:
    """The last thing that a gateway did in the journal."""
    own = gateway.uri
    acts = [entry for entry in reading.entries.values() if entry.type in JOURNAL]
    return next((entry.type for entry in reversed(acts) if entry.actor == own), "nothing")


def _go_on(people: People, id: str, bundle: str) -> None:
    """Whatever the dead one was about to do, the living one does."""
    people.await_stage(id, "assessed")
    people.approve(id, bundle)
    people.await_stage(id, "active")


def _await_same(operators: list[httpx.Client], activation: int) -> float:
    """Wait until all serve this activation or a later one; how long it took."""

    def all_serve() -> bool:
        return all(_is_serving(client, activation) for client in operators)

    return await_true(all_serve, lambda: f"all serve {activation}", MOST_SECONDS)


def _is_serving(client: httpx.Client, activation: int) -> bool:
    """Whether this gateway is ready, and serves what came into force then or later."""
    found: int = client.get("/v1/policy").json()["activation"]
    return found >= activation and client.get("/readyz").status_code == httpx.codes.OK


def _say(line: str) -> None:
    """For pytest to show with a failure, or with -s."""
    sys.stdout.write(f"{line}\n")
