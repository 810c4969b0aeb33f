"""What the policies are asked (docs/formats.md section 6), made from classes alone.

A proposal holds what the class's canonical bytes hold and nothing else, so policies cannot read
what is not in the class: the same bytes replay to the same verdict (P9).
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from gateway.errors import CanonicalError
from gateway.wire.classes import ProcessClass, Sender
from gateway.wire.verdicts import Action

NONCE_BYTES = 8
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Proposed:
    """One class as it is asked about: the JSON object without its ref, and what it proposes."""

    encoded: bytes
    action: Action
    sample_permille: int


def propose(sender: Sender, process_class: ProcessClass) -> Proposed:
    """The proposal of a class; raises CanonicalError for text without a UTF-8 form, and for a class
    of another sender, since a question has a single subject."""
    if process_class.sender != sender:
        raise CanonicalError("a class of another sender than the question's")
    members = {
        "process": dict(process_class.attributes),
        "action": process_class.action,
        "sample_permille": process_class.sample_permille,
        "score": process_class.score,
        "profile": process_class.profile,
    }
    try:
        encoded = _ENCODER.encode(members)
    except UnicodeEncodeError:
        raise CanonicalError("text holds a lone surrogate, which has no UTF-8 form") from None
    return Proposed(encoded, process_class.action, process_class.sample_permille)


def subject(sender: Sender) -> dict[str, str]:
    """The sender as policies see it."""
    return {"environment": sender.environment, "region": sender.region, "tier": sender.tier}


def encode_question(
    sender: Sender, windows: Sequence[str], proposals: Mapping[str, Proposed]
) -> bytes:
    """The request body for proposals by ref."""
    context = _ENCODER.encode({"time": {"windows": sorted(set(windows))}})
    # Each proposal is encoded once, however often its question is split; refs are plain ASCII.
    listed = b",".join(
        b'{"ref":"%s",%s' % (ref.encode(), proposed.encoded[1:])
        for ref, proposed in proposals.items()
    )
    return b'{"input":{"subject":%s,"context":%s,"proposals":[%s]}}' % (
        _ENCODER.encode(subject(sender)),
        context,
        listed,
    )


def refs_for(proposals: Sequence[Proposed]) -> dict[str, Proposed]:
    """Proposals under refs of this question alone, in order.

    Refs cannot be guessed: a policy that answers for a ref it did not copy (a constant, a count)
    would otherwise now and then answer for somebody else's class."""
    nonce = secrets.token_hex(NONCE_BYTES)
    return {f"{position}-{nonce}": proposed for position, proposed in enumerate(proposals)}
