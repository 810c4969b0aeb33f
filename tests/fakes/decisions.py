"""Builders for tests of the decision path: a policy, request bodies, a log that can be held up."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway import canonical
from gateway.audit.port import Appended, Draft, Payload, Removal
from gateway.clock import ManualClock
from gateway.decisions.floor import Floor, FloorRow
from gateway.decisions.policy import ActivePolicy
from gateway.decisions.proposals import ProposalReader
from gateway.decisions.service import DecisionService
from gateway.decisions.windows import Schedule, parse_windows
from gateway.engine.port import Engine
from gateway.wire.classes import ClassDeclaration, Sender
from gateway.wire.verdicts import PolicyRef
from tests.fakes.engine import FakeEngine
from tests.fakes.log import ACTOR, MemoryLog

COLLECTOR = "spiffe://example.org/collector/production/eu-west-1/edge-1"
SENDER = Sender("production", "eu-west-1", "unlisted")
NOW_US = 1_767_323_045_000_006
DAY_US = 86_400_000_000
FAR_US = NOW_US + 400 * DAY_US
DECLARATION = ClassDeclaration(
    (
        "compliance.process.identity",
        "compliance.process.identity_source",
        "k8s.container.name",
        "k8s.deployment.name",
        "k8s.pod.label.app",
        "process.executable.name",
        "process.executable.path",
        "service.name",
    ),
    (250, 500, 750, 900, 1000),
)


def make_policy(
    engine: Engine | None = None,
    *,
    activation: int = 3,
    floor_rows: Sequence[FloorRow] = (),
    schedule: Schedule | None = None,
    expires_us: int = FAR_US,
) -> ActivePolicy:
    """A policy in force over the compiled-in floor and `floor_rows`."""
    floor = Floor(None, floor_rows)
    return ActivePolicy(
        ref=PolicyRef(activation, "7-00aa", "b" * 64, floor.hash),
        engine=engine or FakeEngine(),
        floor=floor,
        declaration=DECLARATION,
        reader=ProposalReader(DECLARATION),
        schedule=schedule or parse_windows([]),
        max_age_seconds=90 * 86_400,
        expires_us=expires_us,
    )


def proposal(name: str, action: str = "drop", **more: Any) -> dict[str, Any]:
    """One proposal; `ref` is the name unless told."""
    return {"ref": name, "process": {"process.executable.name": name}, "action": action, **more}


def body(*proposals: Any) -> bytes:
    """A request body."""
    return json.dumps({"proposals": list(proposals)}).encode()


class HeldLog(MemoryLog):
    """A log whose appends wait while `gate` is clear, and fail as `failures` says, one an append.
    `durable` counts appends that returned."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock)
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: list[str | None] = []
        self.waiting = 0

    async def append(
        self,
        drafts: Sequence[Draft],
        payloads: Sequence[Payload] = (),
        *,
        after: int | None = None,
        fence: int | None = None,
        removal: Removal | None = None,
    ) -> list[Appended]:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        self.failing = self.failures.pop(0) if self.failures else None
        return await super().append(drafts, payloads, after=after, fence=fence, removal=removal)


@dataclass
class Desk:
    """A decision service with everything it stands on."""

    policy: ActivePolicy
    log: HeldLog
    clock: ManualClock
    service: DecisionService
    observed: dict[str, int]
    certificate_ends_us: int = FAR_US

    async def ask(self, *proposals: Any, sender: Sender = SENDER) -> dict[str, Any]:
        """The decoded answer to these proposals."""
        return await self.ask_raw(body(*proposals), sender)

    async def ask_raw(self, request: bytes, sender: Sender = SENDER) -> dict[str, Any]:
        """The decoded answer to a body."""
        answer = await self.service.decide(COLLECTOR, sender, self.certificate_ends_us, request)
        value: dict[str, Any] = json.loads(answer)
        return value


def make_desk(policy: ActivePolicy | None = None) -> Desk:
    """A service whose policy can be swapped by setting `policy`."""
    clock = ManualClock(wall_us=NOW_US)
    log = HeldLog(clock)
    observed: dict[str, int] = {}

    def observe(name: str, count: int) -> None:
        observed[name] = observed.get(name, 0) + count

    service = DecisionService(lambda: desk.policy, log, clock, ACTOR, observe)
    desk = Desk(policy or make_policy(), log, clock, service, observed)
    log.in_force = lambda: desk.policy.ref.activation
    return desk


def read_entry(log: MemoryLog, seq: int) -> dict[str, Any]:
    """An entry from its bytes, which must be canonical."""
    value = canonical.decode(log.entries[seq])
    assert isinstance(value, dict)
    return value


def verify_answer_recorded(log: MemoryLog, answer: dict[str, Any]) -> None:
    """Asserts, from the log's bytes alone, that every verdict of the answer stands in the entry
    that the answer cites, as often as it was given."""
    [cited] = answer["entries"]
    entry = read_entry(log, cited["index"])
    assert entry["type"] == "decisions"
    assert entry["body"]["activation"] == answer["policy"]["activation"]
    recorded: dict[str, int] = {}
    for seq, position, count in entry["body"]["verdicts"]:
        evaluations = read_entry(log, seq)
        assert evaluations["type"] == "evaluations"
        assert seq < cited["index"]
        for pinned in ("activation", "bundle", "floor"):
            assert evaluations["body"][pinned] == answer["policy"][pinned]
        item = evaluations["body"]["items"][position]
        assert item["class"] in log.payloads
        key = verdict_key(item["verdict"], item["verdict"]["sample_permille"])
        recorded[key] = recorded.get(key, 0) + count
    given: dict[str, int] = {}
    failed = 0
    for _, position in answer["refs"]:
        verdict = answer["verdicts"][position]
        if verdict["effect"] == "fail_safe":
            failed += 1
            continue
        key = verdict_key(verdict, round(verdict["sample_rate"] * 1000))
        given[key] = given.get(key, 0) + 1
    assert recorded == given
    assert sum(entry["body"]["fail_safe"].values()) == failed


def verdict_key(verdict: dict[str, Any], permille: int) -> str:
    """What the log and the answer say alike of a verdict."""
    parts = [verdict[name] for name in ("action", "effect", "reasons", "obligations")]
    return json.dumps([permille, *parts], sort_keys=True)
