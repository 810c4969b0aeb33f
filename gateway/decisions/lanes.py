"""Lanes: which collectors a rollout covers (docs/formats.md section 11, Lanes)."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from gateway.wire.classes import Sender

Lane = Literal["active", "canary"]
ANY = "*"
FULL_SHARE_PERMILLE = 1000
DOMAIN = b"compliance-gateway/canary/v1\n"
_PREFIX_BYTES = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a rollout; `*` is any environment or region."""

    environment: str
    region: str
    share_permille: int

    def covers(self, environment: str, region: str) -> bool:
        """Whether collectors of this environment and region are meant."""
        return self.environment in (ANY, environment) and self.region in (ANY, region)


@dataclass(frozen=True, slots=True)
class Lanes:
    """The steps that hold by now, and the candidate that they are for."""

    bundle: str
    steps: tuple[Step, ...]

    def lane_of(self, subject_uri: str, sender: Sender) -> Lane:
        """The collector's lane: the same in every process, and never left by a later step."""
        share = self.share_permille(sender)
        return "canary" if share and place_of(self.bundle, subject_uri) < share else "active"

    def share_permille(self, sender: Sender) -> int:
        """The share of this environment's and region's collectors that the steps cover."""
        covering = [
            step.share_permille
            for step in self.steps
            if step.covers(sender.environment, sender.region)
        ]
        return max(covering, default=0)


def place_of(bundle: str, subject_uri: str) -> int:
    """A collector's place in the order of a candidate's rollout, 0 to 999."""
    digest = hashlib.sha256(DOMAIN + f"{bundle}\n{subject_uri}".encode()).digest()
    return int.from_bytes(digest[:_PREFIX_BYTES]) % FULL_SHARE_PERMILLE
