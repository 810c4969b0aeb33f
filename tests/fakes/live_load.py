"""Collectors that ask a live gateway at a steady rate and keep what they were answered."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes.live_gateway import LiveGateway, proposals
from tests.fakes.live_log import Reading

JOIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What one answer said of the policy, of each process (by name), and of the entry."""

    policy: tuple[int, str, str]
    actions: Mapping[str, str]
    effects: frozenset[str]
    leased: frozenset[int]
    entry: tuple[int, str]


@dataclass
class Asking:
    """One collector with one connection. `names(turn)` are the processes of its next question."""

    gateway: LiveGateway
    uri: str
    per_second: float
    names: Callable[[int], Sequence[str]]
    answers: list[Answered] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    slowest_seconds: float = 0.0

    def work(self, stopped: threading.Event) -> None:
        """Until `stopped`; runs in a thread of its own. Who is late asks at once."""
        with self.gateway.client(self.uri) as http:
            due, turn = time.monotonic(), 0
            while not stopped.is_set():
                sent = time.monotonic()
                try:
                    answer = http.post("/v1/decisions", json=proposals(self.names(turn)))
                except httpx.TransportError as error:
                    self.unanswered += 1
                    self.failures[type(error).__name__] += 1
                    stopped.wait(0.05)
                else:
                    self._keep(answer)
                turn += 1
                self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - sent)
                due += 1 / self.per_second
                if (pause := due - time.monotonic()) > 0:
                    stopped.wait(pause)

    def _keep(self, answer: httpx.Response) -> None:
        if answer.status_code != httpx.codes.OK:
            self.failures[f"{answer.status_code} {answer.text[:200]}"] += 1
            return
        body: dict[str, Any] = answer.json()
        verdicts = body["verdicts"]
        policy = body["policy"]
        [entry] = body["entries"]
        self.answers.append(
            Answered(
                (policy["activation"], policy["bundle"], policy["revision"]),
                {ref.partition(":")[2]: verdicts[place]["action"] for ref, place in body["refs"]},
                frozenset(verdict["effect"] for verdict in verdicts),
                frozenset(v["lease"]["activation"] for v in verdicts if v["lease"] is not None),
                (entry["index"], entry["leaf_hash"]),
            )
        )


@dataclass
class Load:
    """Several collectors at once."""

    asking: list[Asking]

    @property
    def answers(self) -> list[Answered]:
        return [answer for one in self.asking for answer in one.answers]

    @property
    def failures(self) -> Counter[str]:
        return sum((one.failures for one in self.asking), Counter())

    def verify_answers(self, reading: Reading, leaves: dict[int, bytes]) -> Counter[str]:
        """Each answer is in the log, under a number that was in force, by its bundle; how many
        answers had which effect."""
        effects: Counter[str] = Counter()
        for answer in self.answers:
            activation, bundle, revision = answer.policy
            period = reading.periods[activation]
            index, leaf_hash = answer.entry
            assert leaves[index].hex() == leaf_hash
            entry = reading.entries[index]
            assert (entry.type, entry.body["activation"]) == ("decisions", activation)
            assert answer.leased <= {activation}
            if answer.effects - {"fail_safe"}:
                assert (bundle, revision) == (period.bundle, period.revision)
            effects.update(answer.effects)
        return effects


@contextmanager
def under_load(asking: list[Asking]) -> Iterator[Load]:
    """Ask until the end of the block; every question that was sent is waited for."""
    stopped = threading.Event()
    threads = [threading.Thread(target=one.work, args=(stopped,)) for one in asking]
    for thread in threads:
        thread.start()
    try:
        yield Load(asking)
    finally:
        stopped.set()
        for thread in threads:
            thread.join(JOIN_SECONDS)
    assert not any(thread.is_alive() for thread in threads)
