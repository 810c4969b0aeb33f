"""Logs with all that a gateway's database keeps: tiles, edges, the journal's index, payloads, keys
handed over, changes of two people. Made without a gateway, so that each part can be made wrong."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway import canonical
from gateway.transparency.blocks import Depth
from gateway.transparency.checkpoint import Checkpoint, sign_checkpoint
from gateway.transparency.entry import encode_entry, leaf_hash
from gateway.transparency.growth import fold
from gateway.transparency.journal_types import JOURNAL_TYPES
from gateway.transparency.notes import Signer
from gateway.transparency.seals import IsWitnessed
from gateway.transparency.verdict import Verdict
from tests.unit.transparency.judging import judge_everywhere
from tests.unit.transparency.logs import ACTOR, ORIGIN, START_US, LogFile, make_signer

MONTH = f"{ORIGIN}/eu-west-1/standard/2026-01"
NEW = make_signer(7)
CLASSES = [f"{number:048x}" for number in range(9)]
ALICE, BOB = "spiffe://example.org/author/alice", "spiffe://example.org/approver/bob"
_BESIDE = """
CREATE TABLE tiles(log TEXT, level INTEGER, idx INTEGER, hashes BLOB);
CREATE TABLE journal(log TEXT, seq INTEGER, type TEXT, mark BLOB);
CREATE TABLE payloads(class_id TEXT, log TEXT, month TEXT, region TEXT, retention_class TEXT,
                      sealed BLOB);
CREATE TABLE payload_keys(class_id TEXT, month_key TEXT, wrapped BLOB);
CREATE TABLE month_keys(id TEXT, region TEXT, retention_class TEXT, month TEXT, wrapped BLOB);
CREATE TABLE cosigned(log TEXT, size INTEGER, note TEXT);
"""


class WholeLog(LogFile):
    """A log in a database with everything beside it."""

    def __init__(self, path: Path, signer: Signer | None = None) -> None:
        super().__init__(path, signer or make_signer())
        self.database.executescript(_BESIDE)
        self.leaves: list[bytes] = []
        self.newest_journal: int | None = None
        self.now_us = START_US
        self.purged_by = -1
        self.kept = {"payloads.sealed"}
        self.run("INSERT INTO month_keys VALUES (?, '', '', '2026-01', x'01')", MONTH)
        self.entry_of("log.opened", {"checkpoint_key": self.signer.vkey})

    def put(self, seq: int, data: bytes, leaf: bytes) -> None:
        super().put(seq, data, leaf)
        self.leaves.append(leaf)

    def entry_of(self, type_: str, body: dict[str, Any]) -> int:
        """Append an entry; a journal entry gets its `prior` and its row."""
        seq = self.tree.size
        if type_ in JOURNAL_TYPES:
            body = {**body, "prior": self.newest_journal}
            self.run("INSERT INTO journal VALUES (?, ?, ?, NULL)", ORIGIN, seq, type_)
            self.newest_journal = seq
        self.now_us += 1
        data = encode_entry(
            ORIGIN, seq, self.head, self.now_us, type_, ACTOR, canonical.encode(body)
        )
        self.put(seq, data, leaf_hash(data))
        return seq

    def fill(self, count: int, salt: str = "") -> "WholeLog":
        """Append entries that say nothing."""
        for number in range(count):
            self.entry_of("denial", {"n": number, "salt": salt})
        return self

    def seal(self, cosigner: Signer | None = None) -> Checkpoint:
        """A checkpoint with its edge, and the tiles as far as it reaches."""
        made = super().seal()
        if cosigner is not None:
            made = sign_checkpoint(made.size, made.root, self.signer, [cosigner])
            self.run("UPDATE checkpoints SET note = ? WHERE size = ?", made.note, made.size)
        self.run("DELETE FROM tiles")
        hashes = self.leaves
        hashes = hashes[: len(hashes) // 256 * 256]
        level = 0
        while hashes:
            for at in range(0, len(hashes), 256):
                tile = b"".join(hashes[at : at + 256])
                self.run("INSERT INTO tiles VALUES (?, ?, ?, ?)", ORIGIN, level, at // 256, tile)
            full = len(hashes) // 256 * 256
            hashes = [fold(hashes[at : at + 256]) for at in range(0, full, 256)]
            level += 1
        return made

    def hand_over(self, new: Signer) -> int:
        """The log's key changes; gives the hand-over's seq."""
        change = self.change("key", {"old": self.signer.vkey, "new": new.vkey})
        seq = self.entry_of(
            "key.handed-over", {"id": change, "old": self.signer.vkey, "new": new.vkey}
        )
        self.seal(cosigner=new)
        self.signer = new
        return seq

    def change(self, kind: str, subject: dict[str, Any], approver: str = BOB) -> str:
        """A change that one person staged and another approved; gives its id."""
        staged = self.entry_of(
            "change.staged",
            {"kind": kind, "key": "aa", "change": {"user": ALICE}, "subject": subject},
        )
        key = "bb" if approver != ALICE else "aa"
        self.entry_of(
            "change.approved", {"id": f"c{staged}", "key": key, "change": {"user": approver}}
        )
        return f"c{staged}"

    def seal_payloads(self, class_ids: Sequence[str]) -> int:
        """Payloads, and the entries that evaluate and name them."""
        self.entry_of(
            "evaluations", {"items": [{"class": one, "verdict": {}} for one in class_ids]}
        )
        named = []
        for class_id in class_ids:
            sealed = b"sealed " + class_id.encode()
            row = (class_id, ORIGIN, sealed)
            self.run(
                "INSERT INTO payloads VALUES (?, ?, '2026-01', 'eu-west-1', 'standard', ?)", *row
            )
            self.run("INSERT INTO payload_keys VALUES (?, ?, x'02')", class_id, MONTH)
            named.append([class_id, hashlib.sha256(sealed).hexdigest()])
        return self.entry_of("payloads.sealed", {"month_key": MONTH, "payloads": named})

    def erase(self, class_ids: Sequence[str], approver: str = BOB) -> None:
        """Two people let payloads be erased."""
        change = self.change("erasure", {"classes": list(class_ids), "request": "r"}, approver)
        for class_id in class_ids:
            self.run("DELETE FROM payload_keys WHERE class_id = ?", class_id)
            self.run("DELETE FROM payloads WHERE class_id = ?", class_id)
        body = {"id": change, "classes": list(class_ids), "request": "r"}
        self.entry_of("payloads.erased", body)

    def purge_month(self) -> None:
        """Two people let a month's payloads go."""
        subject = {"what": "payloads", "month_keys": [MONTH], "payloads": 9}
        change = self.change("purge", subject)
        count = self.database.execute("SELECT count(*) FROM payloads").fetchone()[0]
        for table in ("payloads", "payload_keys", "month_keys"):
            self.run(f"DELETE FROM {table}")
        body = {"id": change, "month_keys": [MONTH], "payloads": count}
        self.purged_by = self.entry_of("payloads.purged", body)

    def purge_entries(self, first: int, last: int, approver: str = BOB) -> None:
        """Two people let entries go."""
        subject = {"what": "entries", "first": first, "last": last}
        change = self.change("purge", subject, approver)
        self.delete_entries(first, last)
        [(kept,)] = self.database.execute(
            "SELECT count(*) FROM entries WHERE seq BETWEEN ? AND ? "
            "AND seq NOT IN (SELECT seq FROM journal)",
            (first, last),
        )
        said = {"id": change, "first": first, "last": last, "kept": kept}
        self.entry_of("entries.purged", said)

    def delete_entries(self, first: int, last: int) -> None:
        """As a purge does: what must stay, stays."""
        kept = "SELECT seq FROM journal UNION SELECT 0" + "".join(
            f' UNION SELECT seq FROM entries WHERE instr(bytes, CAST(\'"type":"{name}"\' AS BLOB))'
            for name in sorted(self.kept)
        )
        self.run(
            f"DELETE FROM entries WHERE seq BETWEEN ? AND ? AND seq NOT IN ({kept})", first, last
        )

    def judge(
        self,
        *anchors: Checkpoint,
        keys: Sequence[Signer] = (),
        is_witnessed: IsWitnessed | None = None,
        depth: Depth = Depth.CANONICAL,
    ) -> Verdict:
        """The verdict, which is the same in one process and in several."""
        return judge_everywhere(
            self.path, keys or (self.signer,), anchors, is_witnessed=is_witnessed, depth=depth
        )


def write_whole_log(path: Path) -> WholeLog:
    """700 entries and some, over several tiles and chunks, with payloads of CLASSES."""
    made = WholeLog(path)
    made.run("BEGIN")
    made.fill(300)
    made.seal_payloads(CLASSES[:5])
    made.seal()
    made.fill(300)
    made.seal_payloads(CLASSES[5:])
    made.seal()
    made.run("COMMIT")
    return made


def sealed(log: WholeLog) -> Verdict:
    """The verdict after 40 more entries and a checkpoint that somebody outside has."""
    log.fill(40)
    return log.judge(log.seal())
