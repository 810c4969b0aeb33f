"""The policy in force, as the decision service sees it: one frozen value, swapped as a whole."""

from dataclasses import dataclass

from gateway.decisions.exceptions import NONE_GRANTED, Exceptions
from gateway.decisions.floor import Floor
from gateway.decisions.lanes import Lane, Lanes
from gateway.decisions.proposals import ProposalReader
from gateway.decisions.shadow import ShadowMeter
from gateway.decisions.windows import Schedule
from gateway.engine.port import Engine
from gateway.wire.classes import ClassDeclaration, Sender
from gateway.wire.verdicts import PolicyRef


@dataclass(frozen=True, slots=True)
class CandidatePolicy:
    """A bundle in canary or shadow: its engine is asked beside the active one's."""

    bundle: str
    revision: str
    engine: Engine
    floor: Floor
    declaration: ClassDeclaration
    schedule: Schedule
    lanes: Lanes
    meter: ShadowMeter


@dataclass(frozen=True, slots=True)
class ActivePolicy:
    """One activation: bundle, floor, engine and what the bundle declares.

    `declaration` is the bundle's own; `reader` reads by the union with the candidate's, which is
    what collectors are told. `expires_us` is the end of the bundle's maximum age: after it every
    verdict is keep. `hold` says why everything is kept although the bundle is young enough: what
    is in force cannot be served here yet.
    """

    ref: PolicyRef
    engine: Engine
    floor: Floor
    declaration: ClassDeclaration
    reader: ProposalReader
    schedule: Schedule
    max_age_seconds: int
    expires_us: int
    candidate: CandidatePolicy | None = None
    exceptions: Exceptions = NONE_GRANTED
    hold: str | None = None

    def lane_of(self, subject_uri: str, sender: Sender) -> Lane:
        """The collector's lane; without a candidate there is one lane."""
        if self.candidate is None:
            return "active"
        return self.candidate.lanes.lane_of(subject_uri, sender)
