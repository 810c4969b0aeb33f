"""What a mutation is, and the list of all."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.transparency.notes import Signer
from tests.tamper.forger import Forger


@dataclass
class Case:
    """One copy of the evidence, for one mutation. `anchors` are the outside checkpoints that the
    auditor gives; a mutation may take them away or change them."""

    folder: Path
    evidence: Path
    signer: Signer
    thief: Signer
    key: str
    anchors: list[Path]
    earlier: Path  # the same evidence as it was before the last part of the log came
    log: str | None = None

    def forger(self) -> Forger:
        """A hand at the database."""
        return Forger(self.evidence, self.signer)


@dataclass(frozen=True)
class Mutation:
    """`word` is what the verifier must say of it; `kind` names the attack."""

    name: str
    kind: str
    source: str
    word: str
    apply: Callable[[Case], None]
    flags: tuple[str, ...] = field(default=())


MUTATIONS: list[Mutation] = []


def mutation(
    kind: str, word: str, source: str = "database", flags: tuple[str, ...] = ()
) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Put a function on the list."""

    def listed(apply: Callable[[Case], None]) -> Callable[[Case], None]:
        MUTATIONS.append(Mutation(apply.__name__, kind, source, word, apply, flags))
        return apply

    return listed


def on_database(act: Callable[[Forger], None]) -> Callable[[Case], None]:
    """A mutation that needs nothing but the database."""

    def apply(case: Case) -> None:
        forger = case.forger()
        try:
            act(forger)
        finally:
            forger.close()

    apply.__name__ = act.__name__
    return apply
