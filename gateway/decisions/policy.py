"""The policy in force, as the decision service sees it: one frozen value, swapped as a whole."""

from dataclasses import dataclass

from gateway.decisions.floor import Floor
from gateway.decisions.proposals import ProposalReader
from gateway.decisions.windows import Schedule
from gateway.engine.port import Engine
from gateway.wire.classes import ClassDeclaration
from gateway.wire.verdicts import PolicyRef


@dataclass(frozen=True, slots=True)
class ActivePolicy:
    """One activation: bundle, floor, engine and what the bundle declares.

    `expires_us` is the end of the bundle's maximum age: after it every verdict is keep.
    """

    ref: PolicyRef
    engine: Engine
    floor: Floor
    declaration: ClassDeclaration
    reader: ProposalReader
    schedule: Schedule
    max_age_seconds: int
    expires_us: int
