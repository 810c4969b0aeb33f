"""Reloads while collectors ask a hundred times a second: every question is answered, nothing is
answered by what was never in force, and nothing is recorded under what is over.

`GATEWAY_RELOADS` is the number of changes of what is in force (15 unless told; `make reloads` makes
it 200). Most are protections, which move the activation number alone; each tenth is a new bundle,
with an engine of its own, through the whole queue.
"""

import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.live_bundles import begin_with, small
from tests.fakes.live_gateway import OPERATOR_URI, LiveGateway, end
from tests.fakes.live_load import Asking, Load, under_load
from tests.fakes.live_log import Reading, verify_whole
from tests.fakes.live_people import People, people_at

RELOADS = int(os.environ.get("GATEWAY_RELOADS", "15"))
PER_SECOND = 100.0
CLIENTS = 5
BUNDLE_EVERY = 10  # the others are protections
DWELL = "dwell_seconds: 3, min_evaluated: 0"

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(180 + 5 * RELOADS)]


def test_every_question_is_answered_through_all_reloads(tmp_path: Path) -> None:
    gateway = LiveGateway.make(tmp_path / "place")
    gateway.set(DWELL, "dwell_seconds: 0, min_evaluated: 0")
    begin_with(gateway, small(gateway, 1))
    asking = [
        Asking(gateway, gateway.collector(f"collector-{n + 1}"), PER_SECOND / CLIENTS, names)
        for n in range(CLIENTS)
    ]
    try:
        gateway.start()
        began = time.monotonic()
        with people_at(gateway) as people, under_load(asking) as load:
            for number in range(RELOADS):
                _reload(gateway, people, number)
        took = time.monotonic() - began
        reading = Reading.of(gateway)
        effects = _verify(gateway, load, reading)
        with gateway.client(OPERATOR_URI) as operator:
            anchor = operator.get("/v1/checkpoint").text
        assert gateway.stop() == 0
    finally:
        end(gateway)
    verify_whole(gateway, anchor)
    verify_whole(gateway)
    _say(
        f"{RELOADS} reloads, {len(reading.periods)} activations, {len(load.answers)} answers in "
        f"{took:.0f} s ({len(load.answers) / took:.0f}/s), slowest "
        f"{max(one.slowest_seconds for one in asking) * 1000:.0f} ms, answers by effect: "
        f"{dict(effects)}"
    )


def names(turn: int) -> list[str]:
    """Known classes, at times a new one, and one that is always kept."""
    found = [f"log-shipper-{turn % 7}", "vault-1"]
    return [*found, f"update-agent-{turn}"] if turn % 20 == 0 else found


def _reload(gateway: LiveGateway, people: People, number: int) -> None:
    if number % BUNDLE_EVERY:
        people.protect(f"surprise-{number}-*")
        time.sleep(0.2)  # so that several questions fall into each period
        return
    people.put_in_force(small(gateway, number + 2))


def _verify(gateway: LiveGateway, load: Load, reading: Reading) -> Counter[str]:
    assert not load.failures, load.failures
    effects = load.verify_answers(reading, gateway.leaves())
    assert reading.verify_decisions() >= len(load.answers)
    assert len(reading.types("protection.added")) == RELOADS - _bundles()
    assert len(reading.types("bundle.activated")) == 1 + _bundles()
    assert effects["permitted"] > len(load.answers) / 2, effects
    return effects


def _bundles() -> int:
    return len(range(0, RELOADS, BUNDLE_EVERY))


def _say(line: str) -> None:
    """For pytest to show with a failure, or with -s."""
    sys.stdout.write(f"{line}\n")
