"""What the policies are asked (docs/formats.md section 6), made from canonical bytes alone.

A class's canonical bytes are decoded again and nothing else is looked at, so policies cannot read
what is not in the class: the same bytes replay to the same verdict (P9).
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.errors import CanonicalError
from gateway.wire.classes import ProcessClass, Sender
from gateway.wire.verdicts import Action

NONCE_BYTES = 8
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Proposed:
    """One class as it is asked about: its proposal without a ref, and what it proposes."""

    members: dict[str, Any]
    action: Action
    sample_permille: int


def propose(sender: Sender, process_class: ProcessClass) -> Proposed:
    """The proposal of a class; raises CanonicalError for one without canonical bytes, and for one
    of another sender, since a question has a single subject."""
    content = msgspec.json.decode(process_class.canonical())
    if subject(sender) != {name: content[name] for name in ("environment", "region", "tier")}:
        raise CanonicalError("a class of another sender than the question's")
    members = {
        "process": content["attributes"],
        "action": content["action"],
        "sample_permille": content["sample_permille"],
        "score": content["score"],
        "profile": content["profile"],
    }
    return Proposed(members, content["action"], content["sample_permille"])


def subject(sender: Sender) -> dict[str, str]:
    """The sender as policies see it."""
    return {"environment": sender.environment, "region": sender.region, "tier": sender.tier}


def encode_question(
    sender: Sender, windows: Sequence[str], proposals: Mapping[str, Proposed]
) -> bytes:
    """The request body for proposals by ref."""
    return _ENCODER.encode(
        {
            "input": {
                "subject": subject(sender),
                "context": {"time": {"windows": sorted(set(windows))}},
                "proposals": [
                    {"ref": ref, **proposed.members} for ref, proposed in proposals.items()
                ],
            }
        }
    )


def refs_for(proposals: Sequence[Proposed]) -> dict[str, Proposed]:
    """Proposals under refs of this question alone, in order.

    Refs cannot be guessed: a policy that answers for a ref it did not copy (a constant, a count)
    would otherwise now and then answer for somebody else's class."""
    nonce = secrets.token_hex(NONCE_BYTES)
    return {f"{position}-{nonce}": proposed for position, proposed in enumerate(proposals)}
