"""The port to the policy engine. One question is a batch of classes; each gets its own answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gateway.wire.classes import ProcessClass, Sender
from gateway.wire.verdicts import Action, Reason

DEFAULT_TTL_SECONDS = 300
MAX_TTL_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class EngineVersion:
    """Which engine answered; pinned in the log so that an auditor can re-run it (P9)."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """A well-formed answer of the policies for one class (docs/formats.md section 6)."""

    decision: Literal["permit", "protect"]
    action: Action
    sample_permille: int
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Mapping[str, Any], ...] = ()
    ttl_seconds: int = DEFAULT_TTL_SECONDS


@dataclass(frozen=True, slots=True)
class EngineFailure:
    """No usable answer for one class: it is kept. `code` is a short stable word for counters."""

    code: str
    detail: str = field(default="", compare=False)


class Engine(Protocol):
    """Asks the policies. Never raises for a bad answer: the failure stands at its position."""

    @property
    def version(self) -> EngineVersion:
        """The engine's name and version."""

    async def evaluate(
        self, sender: Sender, windows: Sequence[str], classes: Sequence[ProcessClass]
    ) -> list[RuleVerdict | EngineFailure]:
        """One answer per class, by position; a batch always equals its singles."""

    async def health(self) -> str | None:
        """None when the engine can be asked, else why not."""

    async def aclose(self) -> None:
        """Stop the engine; later questions fail."""
