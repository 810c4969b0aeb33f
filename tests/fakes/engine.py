"""An engine for tests: answers by the name of the process, fails and waits on command."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.engine.port import EngineFailure, EngineVersion, RuleVerdict
from gateway.errors import EngineError
from gateway.wire.classes import EXECUTABLE_NAME, ProcessClass, Sender
from gateway.wire.verdicts import Reason

Answer = RuleVerdict | EngineFailure
PROTECTED = Reason("PCI-DSS-4.0.1/10.2.1", "rules.pci", "hard", "cardholder data", "none")


def name_of(process_class: ProcessClass) -> str:
    """The executable's name, by which the fake decides."""
    return dict(process_class.attributes).get(EXECUTABLE_NAME, "")


def permit_or_protect(process_class: ProcessClass) -> Answer:
    """Keeps `payment-…`; permits every other proposal as it stands."""
    if name_of(process_class).startswith("payment-"):
        return RuleVerdict("protect", "keep", 1000, (PROTECTED,), ({"type": "no_sampling"},))
    return RuleVerdict("permit", process_class.action, process_class.sample_permille)


@dataclass
class FakeEngine:
    """The Engine port. `answers` overrides by name; `down` fails every class as `unreachable`;
    `delay_seconds` passes before an answer; `asked` records every question."""

    answers: dict[str, Answer] = field(default_factory=dict)
    decide: Callable[[ProcessClass], Answer] = permit_or_protect
    delay_seconds: float = 0.0
    down: str | None = None
    asked: list[tuple[Sender, tuple[str, ...], tuple[ProcessClass, ...]]] = field(
        default_factory=list
    )
    closed: bool = False

    @property
    def version(self) -> EngineVersion:
        return EngineVersion("fake", "1")

    async def evaluate(
        self, sender: Sender, windows: Sequence[str], classes: Sequence[ProcessClass]
    ) -> list[Answer]:
        """By name; raises EngineError never, as the port says."""
        self.asked.append((sender, tuple(windows), tuple(classes)))
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        reason = "closed" if self.closed else self.down
        if reason is not None:
            return [EngineFailure("unreachable", reason)] * len(classes)
        return [self.answers.get(name_of(item)) or self.decide(item) for item in classes]

    async def health(self) -> str | None:
        return "closed" if self.closed else self.down

    async def aclose(self) -> None:
        if self.closed:
            raise EngineError("closed twice")
        self.closed = True
