"""What does not hold, by kind.

VerificationError
├── EntryError          the bytes are not an entry
├── ProofError          an inclusion or consistency proof does not lead to the root
├── NoteError           the text is not a signed note or checkpoint
│   ├── SignatureError  a signature by a key that we know is wrong: the text was changed
│   └── UnsignedError   no key that we know signed it
├── TileError           the path or the bytes are not a tile's or an entry bundle's
├── SegmentError        the bytes are not a segment of an archive, or do not hold
├── PolicyError         the text is not a witness policy
├── SuccessionError     the statement does not let one log follow another
└── SourceError         the evidence cannot be read (no database, no table, several logs)
"""

from gateway.errors import VerificationError


class EntryError(VerificationError):
    """The bytes are not an entry of docs/formats.md section 9."""


class ProofError(VerificationError):
    """A Merkle proof is malformed or does not lead to the root."""


class NoteError(VerificationError):
    """The text is not a signed note, or not a checkpoint, or the key is not a verifier key."""


class SignatureError(NoteError):
    """A signature by a known key does not match the text."""


class UnsignedError(NoteError):
    """No known key signed the note."""


class SuccessionError(VerificationError):
    """The statement is none of docs/formats.md section 18, or does not meet its rules."""


class PolicyError(VerificationError):
    """The text is not a witness policy (tlog-policy)."""


class TileError(VerificationError):
    """The path is not a tile's, or the bytes are not a tile or an entry bundle."""


class SegmentError(VerificationError):
    """The bytes are not a segment of docs/formats.md section 16, or it does not hold."""


class SourceError(VerificationError):
    """The evidence cannot be read, so that nothing can be said about it."""


class StateError(SourceError):
    """The state that a verification is to leave cannot be kept where it is asked for."""
