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
from dataclasses import dataclass, field
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


@dataclass
class Surprises:
    """Names that are protected one after another, each asked about before it is and after."""

    asked: str = "log-shipper-0"
    since: dict[str, int] = field(default_factory=dict)

    def names(self, turn: int) -> list[str]:
        """Known classes, at times a new one, one that is always kept, and the next to be."""
        found = [f"log-shipper-{turn % 7}", "vault-1", self.asked]
        return [*found, f"update-agent-{turn}"] if turn % 20 == 0 else found

    def protect(self, people: People, number: int) -> None:
        self.asked = f"surprise-{number}-1"
        time.sleep(0.2)  # several questions fall into each period
        row = people.protect(f"surprise-{number}-*")
        self.since[self.asked] = int(row["id"][1:])

    def verify(self, load: Load) -> int:
        """From its activation number on each is kept, and was not before; how often it was not."""
        dropped = 0
        for answer in load.answers:
            for name, action in answer.actions.items():
                if name in self.since and action != "keep":
                    assert answer.policy[0] < self.since[name], (name, answer)
                    dropped += 1
        return dropped


def test_every_question_is_answered_through_all_reloads(tmp_path: Path) -> None:
    gateway = LiveGateway.make(tmp_path / "place")
    gateway.set(DWELL, "dwell_seconds: 0, min_evaluated: 0")
    begin_with(gateway, small(gateway, 1))
    surprises = Surprises()
    asking = [
        Asking(
            gateway,
            gateway.collector(f"collector-{n + 1}"),
            PER_SECOND / CLIENTS,
            surprises.names,
        )
        for n in range(CLIENTS)
    ]
    try:
        gateway.start()
        began = time.monotonic()
        with people_at(gateway) as people, under_load(asking) as load:
            for number in range(RELOADS):
                if number % BUNDLE_EVERY:
                    surprises.protect(people, number)
                else:
                    people.put_in_force(small(gateway, number + 2))
        took = time.monotonic() - began
        reading = Reading.of(gateway)
        effects = _verify(gateway, load, reading)
        assert surprises.verify(load)
        with gateway.client(OPERATOR_URI) as operator:
            anchor = operator.get("/v1/checkpoint").text
        assert gateway.stop() == 0
    finally:
        end(gateway)
    verify_whole(gateway, anchor)
    _say(
        f"{RELOADS} reloads, {len(reading.periods)} activations, {len(load.answers)} answers in "
        f"{took:.0f} s ({len(load.answers) / took:.0f}/s), slowest "
        f"{max(one.slowest_seconds for one in asking) * 1000:.0f} ms, answers by effect: "
        f"{dict(effects)}"
    )


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
