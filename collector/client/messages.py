"""What the collector sends and receives, as docs/formats.md sections 3 to 5 write it."""

from collections.abc import Iterator, Sequence

import msgspec

from gateway.wire.classes import ClassDeclaration
from gateway.wire.verdicts import Action

MAX_BATCH = 500
MAX_BATCH_BYTES = 1_500_000  # the gateway refuses bodies past 2 MiB
MAX_REF, MAX_PROFILE, MAX_SCORER, MAX_WHY = 128, 64, 64, 256


class Proposal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One wish. `sample_rate` (the share kept) only with `sample`; `score` from 0 to 1."""

    ref: str
    process: dict[str, str]
    action: Action
    sample_rate: float | None = None
    score: float | None = None
    profile: str = ""
    scorer: str = ""
    why: str = ""


class PolicyAnswer(msgspec.Struct, frozen=True, rename={"declaration": "class"}):
    """`GET /v1/policy`: what is active, and what of a process its policies read."""

    activation: int
    revision: str
    bundle: str
    floor: str
    declaration: ClassDeclaration
    max_age_seconds: int


class ProofAnswer(msgspec.Struct, frozen=True):
    """A consistency or inclusion proof, hex hashes in RFC 6962 order."""

    hashes: tuple[str, ...]


def encode_proposals(batch: Sequence[Proposal]) -> bytes:
    """The body of `POST /v1/decisions`."""
    return msgspec.json.encode({"proposals": batch})


def split_batches(proposals: Sequence[Proposal]) -> Iterator[list[Proposal]]:
    """The proposals in order, in requests of at most MAX_BATCH and MAX_BATCH_BYTES."""
    batch: list[Proposal] = []
    size_bytes = 0
    for proposal in proposals:
        proposal_bytes = len(msgspec.json.encode(proposal)) + 1
        if batch and (len(batch) == MAX_BATCH or size_bytes + proposal_bytes > MAX_BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(proposal)
        size_bytes += proposal_bytes
    if batch:
        yield batch
