"""A log in memory to submit to witnesses, and a witness's key."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.witness_client import WitnessClient
from gateway.audit.witnessed_log import WitnessedLog
from gateway.errors import GatewayError
from gateway.storage.cosigned_store import TimestampRow
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.cosignature import Cosigner, add_signatures
from gateway.transparency.merkle import consistency_proof, node_reader, tree_root
from gateway.transparency.notes import SignatureLine, Signer
from gateway.witness.requests import format_add_checkpoint
from gateway.witness.witness import Witness

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

    def root(self, size: int) -> bytes:
        """The tree head of `size`."""
        return tree_root(size, node_reader(self.leaves[:size]))

    def note(self, size: int) -> str:
        """The checkpoint of `size`."""
        return sign_checkpoint(size, self.root(size), self.signer).note

    def proof(self, old: int, new: int) -> list[bytes]:
        """From `old` to `new`; empty where there is none."""
        return consistency_proof(old, new, node_reader(self.leaves[:new])) if old < new else []

    def request(self, old: int, new: int) -> bytes:
        """The body that submits the checkpoint of `new` over `old`."""
        return format_add_checkpoint(old, self.proof(old, new), self.note(new))


class MemoryWitnessedLog(WitnessedLog):
    """The log of a tree up to `size`; `cosigned` by size, `stamps` in order. Raises `fault`."""

    def __init__(self, tree: Tree, size: int) -> None:
        self.tree = tree
        self.size = size
        self.cosigned: dict[int, str] = {}
        self.stamps: list[TimestampRow] = []
        self.fault: GatewayError | None = None
        self.on_newest: list[int] = []  # sizes that other gateways reach, one at each look

    @property
    def origin(self) -> str:
        return self.tree.signer.name

    async def newest(self) -> str | None:
        if self.fault is not None:
            raise self.fault
        note = self.tree.note(self.size) if self.size else None
        if self.on_newest:
            self.size = self.on_newest.pop(0)
        return note

    async def consistency(self, old: int, new: int) -> list[bytes]:
        return self.tree.proof(old, new)

    async def size_and_roots(self, sizes: Iterable[int]) -> tuple[int, dict[int, bytes]]:
        if self.fault is not None:
            raise self.fault
        return self.size, {size: self.tree.root(size) for size in sizes if size <= self.size}

    async def newest_cosigned(self) -> str | None:
        return self.cosigned[max(self.cosigned)] if self.cosigned else None

    async def add_cosignatures(self, size: int, note: str, lines: Iterable[SignatureLine]) -> str:
        self.cosigned[size] = add_signatures(self.cosigned.get(size, note), lines)
        return self.cosigned[size]

    async def drop_cosigned(self, sizes: Sequence[int]) -> None:
        for size in sizes:
            del self.cosigned[size]

    async def newest_timestamp(self, authority: str) -> TimestampRow | None:
        return self.stamps[-1] if self.stamps else None

    async def add_timestamp(self, row: TimestampRow) -> None:
        self.stamps.append(row)


@dataclass
class WitnessNetwork:
    """Witnesses of ours behind an HTTP client, by host name `w1`, `w2`, …; `odd` answers instead
    of them where it holds a host's name."""

    witnesses: dict[str, Witness] = field(default_factory=dict)
    odd: dict[str, httpx.Response | Exception] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def client(self, timeout_seconds: float = 5.0) -> WitnessClient:
        """A client that reaches them."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return WitnessClient(http, timeout_seconds)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        host, body = request.url.host, await request.aread()
        self.asked.append((host, int(body.split(b"\n", 1)[0].removeprefix(b"old "))))
        odd = self.odd.get(host)
        if isinstance(odd, TimeoutError):
            await asyncio.sleep(60)
        if isinstance(odd, Exception):
            raise odd
        if odd is not None:
            return httpx.Response(odd.status_code, content=odd.content)
        answer = self.witnesses[host].add_checkpoint(body)
        headers = {"content-type": answer.media_type}
        return httpx.Response(int(answer.status), headers=headers, text=answer.body)
