"""A real log, made by the running gateway: decisions over mutual TLS, a protection, a stop."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.transparency.notes import Signer
from tests.fakes.live_bundles import begin_with, small
from tests.fakes.live_gateway import LiveGateway, end, proposals
from tests.fakes.live_people import people_at
from tests.tamper.mutation import Case

ENTRIES = 300  # more than a tile
PARTS = 6
PART_SECONDS = 1.2  # a checkpoint each second
NAMES = ("vault-reader", "log-shipper", "desk-clock", "ledger-sync", "sidecar", "cache-warmer")


@dataclass(frozen=True)
class World:
    """What the auditor and the vandal have."""

    database: Path
    earlier: Path
    anchors: tuple[Path, ...]
    signer: Signer
    thief: Signer

    def case(self, folder: Path) -> Case:
        """A copy of everything in a folder of its own."""
        folder.mkdir()
        evidence = Path(shutil.copy(self.database, folder / "log.db"))
        anchors = [Path(shutil.copy(path, folder / path.name)) for path in self.anchors]
        key = self.signer.vkey
        return Case(folder, evidence, self.signer, self.thief, key, anchors, self.earlier)


@contextmanager
def made_world(folder: Path) -> Iterator[World]:
    """Run a gateway, keep what it left."""
    gateway = LiveGateway.make(folder / "place")
    begin_with(gateway, small(gateway, 1))
    try:
        gateway.start()
        older = folder / "older.checkpoint"
        earlier = folder / "earlier.db"
        collector = gateway.collector("edge-7")
        with gateway.client(collector) as client:
            for part in range(PARTS):
                _decide(client, part)
                if part == PARTS // 2:
                    _copy(gateway.workplace.database, earlier)
                    older.write_text(client.get("/v1/checkpoint").text)
        with people_at(gateway) as people:
            people.protect("vault-*")
        gateway.stop()
    finally:
        end(gateway)
    database = folder / "log.db"
    _copy(gateway.workplace.database, database)
    newest = folder / "newest.checkpoint"
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1"
        newest.write_text(connection.execute(query).fetchone()[0])
    signer = Signer(gateway.verifier.name, _private_key(gateway))
    thief = Signer(signer.name, Ed25519PrivateKey.from_private_bytes(b"thief" * 6 + b"!!"))
    yield World(database, earlier, (older, newest), signer, thief)


def _decide(client: httpx.Client, part: int) -> None:
    started = time.monotonic()
    for number in range(ENTRIES // PARTS):
        names = [f"{NAMES[number % len(NAMES)]}-{part}", *NAMES]
        answer = client.post("/v1/decisions", json=proposals(names))
        assert answer.status_code == httpx.codes.OK, answer.text
    time.sleep(max(0.0, PART_SECONDS - (time.monotonic() - started)))


def _copy(source: Path, target: Path) -> None:
    """One file with everything in it, online."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")


def _private_key(gateway: LiveGateway) -> Ed25519PrivateKey:
    path = gateway.workplace.log_key.with_suffix(".key")
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key
