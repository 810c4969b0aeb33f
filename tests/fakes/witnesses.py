"""A log in memory to submit to witnesses, and a witness's key."""

import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.cosignature import Cosigner
from gateway.transparency.merkle import consistency_proof, node_reader, tree_root
from gateway.transparency.notes import Signer
from gateway.witness.requests import format_add_checkpoint

ORIGIN = "gateway.example/eu-west-1"
LARGEST = 400


def make_cosigner(seed: int, name: str) -> Cosigner:
    return Cosigner(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


COSIGNER = make_cosigner(7, "witness.example/w1")
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))


@dataclass
class Tree:
    """A log of up to LARGEST entries; another `salt` is another history under the same key."""

    signer: Signer = SIGNER
    salt: str = ""
    shared: int = 0  # entries that both histories have
    leaves: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.leaves = [
            hashlib.sha256(f"{'' if at < self.shared else self.salt}/{at}".encode()).digest()
            for at in range(LARGEST)
        ]

    def note(self, size: int) -> str:
        """The checkpoint of `size`."""
        root = tree_root(size, node_reader(self.leaves[:size]))
        return sign_checkpoint(size, root, self.signer).note

    def proof(self, old: int, new: int) -> list[bytes]:
        """From `old` to `new`; empty where there is none."""
        return consistency_proof(old, new, node_reader(self.leaves[:new])) if old < new else []

    def request(self, old: int, new: int) -> bytes:
        """The body that submits the checkpoint of `new` over `old`."""
        return format_add_checkpoint(old, self.proof(old, new), self.note(new))
