"""A real log, made by the running gateway: decisions over mutual TLS, a protection, a stop."""

import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.archive.archiver import Archiver
from gateway.archive.folder import FolderStore
from gateway.archive.writing import ArchiveTerms
from gateway.audit.export import export_tree
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.engine import open_database
from gateway.transparency.notes import Signer
from gateway.transparency.segments import log_folder
from gateway.transparency.sqlite_source import SqliteSource
from tests.fakes.live_bundles import begin_with, small
from tests.fakes.live_gateway import LiveGateway, end, proposals, run
from tests.fakes.live_people import People, await_true, people_at
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
    trees: Mapping[str, tuple[Path, Path]]

    def case(self, folder: Path, source: str = "database") -> Case:
        """A copy of everything in a folder of its own; `source`: which evidence is looked at."""
        folder.mkdir()
        kept, earlier = self.database, self.earlier
        if source == "database":
            evidence = Path(shutil.copy(kept, folder / "log.db"))
        else:
            kept, earlier = self.trees[source]
            evidence = Path(shutil.copytree(kept, folder / source))
        anchors = [Path(shutil.copy(path, folder / path.name)) for path in self.anchors]
        key = self.signer.vkey
        return Case(folder, evidence, self.signer, self.thief, key, anchors, earlier)


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
    trees = {
        "folder": (_export(database, folder / "export"), _export(earlier, folder / "export-1")),
        "archive": (_archive(database, folder / "archive"), earlier),
    }
    yield World(database, earlier, (older, newest), signer, thief, trees)


def _export(database: Path, folder: Path) -> Path:
    with closing(SqliteSource(database)) as source:
        export_tree(source, folder)
    return folder


def _archive(database: Path, folder: Path) -> Path:
    """A segment for each two checkpoints, as if written while the gateway ran."""
    engine = open_database(f"sqlite:///{Path(shutil.copy(database, folder.with_suffix('.db')))}")
    try:
        with closing(SqliteSource(database)) as source:
            origin = source.origin
        terms = ArchiveTerms("eu-west-1", 7, segment_entries=100)
        store = FolderStore(folder / log_folder(origin))
        status = Archiver(SqlSealedLog(engine, origin), store, terms).run_once()
    finally:
        engine.dispose()
    assert status.archived == status.sealed
    assert status.segments >= 3
    return folder


@contextmanager
def governed_world(folder: Path) -> Iterator[World]:
    """A gateway that erased a payload and handed the log's key over, each by two people."""
    gateway = LiveGateway.make(folder / "place")
    begin_with(gateway, small(gateway, 1))
    keys = gateway.workplace.folder / "keys"
    done = run("gateway", "keys", "checkpoint-key", "--out", str(keys / "next.key"),
               "--origin", gateway.verifier.name)  # fmt: skip
    assert done.returncode == 0, done.stderr
    named = "checkpoint_key: keys/checkpoint.key"
    gateway.set(named, f"{named}\n  next_checkpoint_key: keys/next.key")
    try:
        gateway.start()
        with gateway.client(gateway.collector("edge-7")) as client, people_at(gateway) as people:
            _decide(client, 0)
            classes = _classes(gateway)[:1]
            _do(people, "erasure", {"classes": classes, "request": "DSR-7"})
            _decide(client, 1)
            old, new = gateway.verifier.vkey, (keys / "next.vkey").read_text().strip()
            _do(people, "key", {"new": new, "old": old})
            _decide(client, 2)
        gateway.stop()
    finally:
        end(gateway)
    database = folder / "log.db"
    _copy(gateway.workplace.database, database)
    newest = folder / "newest.checkpoint"
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1"
        newest.write_text(connection.execute(query).fetchone()[0])
    origin = gateway.verifier.name
    signer = Signer(origin, _read_key(keys / "next.key"))
    first = Signer(origin, _read_key(keys / "checkpoint.key"))
    yield World(database, database, (newest,), signer, first, {})


def _classes(gateway: LiveGateway) -> list[str]:
    with closing(sqlite3.connect(gateway.workplace.database)) as connection:
        return [row[0] for row in connection.execute("SELECT class_id FROM payloads")]


def _do(people: People, kind: str, subject: dict[str, object]) -> None:
    """Alice asks, Bob approves, the gateway does it."""
    asked = {"kind": kind, "subject": subject, "justification": "as agreed"}
    answer = people.alice.post("/v1/deeds", json=asked)
    assert answer.is_success, answer.text
    change_id = answer.json()["id"]
    people.approve(change_id)
    await_true(
        lambda: bool(people.show(change_id)["stage"] == "active"),
        lambda: f"{change_id} is not done",
    )


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
    return _read_key(gateway.workplace.log_key.with_suffix(".key"))


def _read_key(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key
