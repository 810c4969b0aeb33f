"""Marks: which journal entries a holder of the log's key appended.

A checkpoint vouches for what it signed. Entries after the newest one are believed by their hashes
alone, which anybody can compute who can write to the database; what is in force must not hang on
that. So each journal row carries a signature over its entry's place and leaf hash.
"""

from gateway.transparency.errors import SignatureError
from gateway.transparency.notes import Signer, Verifier

_DOMAIN = "compliance-gateway/journal/v1"


def make_mark(signer: Signer, seq: int, leaf: bytes) -> bytes:
    """The 64 bytes of the mark of entry `seq` with this leaf hash; the signer is the log's."""
    return signer.sign(_text(signer.name, seq, leaf))


def is_marked(verifier: Verifier, seq: int, leaf: bytes, mark: object) -> bool:
    """Whether the holder of the log's key appended that entry there."""
    if not isinstance(mark, bytes):  # a row from before there were marks, or a hand's
        return False
    try:
        verifier.verify(_text(verifier.name, seq, leaf), mark)
    except SignatureError:
        return False
    return True


def _text(log: str, seq: int, leaf: bytes) -> str:
    return f"{_DOMAIN}\n{log}\n{seq}\n{leaf.hex()}\n"
