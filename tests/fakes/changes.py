"""The change queue over a log in memory: people with keys, bundles that are signed, and the acts of
the gateway that stand between them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from gateway import canonical
from gateway.bundles.archive import pack_archive
from gateway.bundles.signed import SignedBundle, open_bundle
from gateway.changes.approvals import Approving
from gateway.changes.governance import fold
from gateway.changes.journal import Journal, JournalDraft, Records
from gateway.changes.people import Person
from gateway.changes.records import Record
from gateway.changes.service import ChangeService
from gateway.changes.state import Governance
from gateway.clock import ManualClock
from gateway.impact.report import losses_hash
from gateway.wire.classes import EXECUTABLE_PATH, IDENTITY_SOURCE, NAME_ATTRIBUTES
from tests.fakes.bundles import KEYS, bundle_files, revised, sign_raw
from tests.fakes.log import ACTOR, MemoryLog

DOMAIN = "spiffe://example.org"
RULE = b"""\
# METADATA
# title: A rule
# custom:
#   controls: [%s]
#   level: %s
package main.%s

findings := set()
"""


def person(role: str, name: str, key: str = "") -> Person:
    """A person whose key is named after them unless another is given."""
    return Person(f"{DOMAIN}/{role}/{name}", hashlib.sha256((key or name).encode()).hexdigest())


ANN = person("author", "ann")
BOB = person("approver", "bob")
CY = person("approver", "cy")
DAN = person("operator", "dan")


def whole_files(version: int = 1, data: bytes = b"", soft: bytes = b"soft") -> dict[str, bytes]:
    """A small bundle that declares every name, as bundles that are staged must; with the rules
    main.soft (control SOFT/1) and main.hard (HARD/1)."""
    names = sorted({*NAME_ATTRIBUTES, EXECUTABLE_PATH, IDENTITY_SOURCE})
    files = bundle_files(version=version)
    declared = f"[{', '.join(names)}]".encode()
    files["data/data.yaml"] = files["data/data.yaml"].replace(
        b"[process.executable.name, service.name]", declared
    )
    files["data/data.yaml"] += data
    files["main/soft.rego"] = RULE % (b"SOFT/1", soft, b"soft")
    files["main/hard.rego"] = RULE % (b"HARD/1", b"hard", b"hard")
    return files


@cache
def archive_of(version: int = 1, data: bytes = b"", soft: bytes = b"soft") -> bytes:
    """That bundle, built and signed."""
    return pack_archive(sign_raw(revised(whole_files(version, data, soft))))


@cache
def opened(archive: bytes) -> SignedBundle:
    """As the gateway opens it."""
    return open_bundle(archive, KEYS)


class MemoryStore:
    """The BundleStore port in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, hash: str, content: bytes) -> None:
        self.kept.setdefault(hash, content)

    def get(self, hash: str) -> bytes | None:
        return self.kept.get(hash)


@dataclass
class Queue:
    """A service over a new log. `begin` puts version 1 in force."""

    clock: ManualClock = field(default_factory=ManualClock)
    store: MemoryStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        self.log = MemoryLog(clock=self.clock)
        self.restart()

    def restart(self, journal: Journal | None = None) -> None:
        """Lose everything but log and store."""
        self.journal = journal or Journal(self.log, self.clock)
        records = Records(self.journal, self.log, self.store)
        self.service = ChangeService(records, opened, self.clock)

    @property
    def state(self) -> Governance:
        return self.journal.state

    async def begin(self, version: int = 1) -> SignedBundle:
        """The first activation of the log."""
        signed = self.keep(archive_of(version))
        await self.note("bundle.activated", **activation(signed))
        return signed

    def keep(self, archive: bytes) -> SignedBundle:
        signed = opened(archive)
        self.store.put(signed.bundle.hash, archive)
        return signed

    async def note(self, type: str, **body: Any) -> Governance:
        """One entry of the gateway's own; `activation=...` is filled in."""

        def place(seq: int) -> Mapping[str, canonical.Value]:
            return {**body, "activation": seq} if type == "bundle.activated" else body

        return await self.journal.append(ACTOR, lambda state: [JournalDraft(type, place)])

    async def stage(self, version: int = 2, who: Person = ANN, **more: bytes) -> str:
        view = await self.service.stage_bundle(who, archive_of(version, **more), "a new rule")
        return str(view["id"])

    async def test(self, id: str, *, passed: bool = True) -> Governance:
        return await self.note("change.tested", id=id, passed=passed, detail="3 tests")

    async def assess(self, id: str, *losses: str) -> Governance:
        report = canonical.encode({"losses": [{"name": name} for name in losses]})
        digest = hashlib.sha256(report).hexdigest()
        self.store.put(digest, report)
        return await self.note("change.assessed", **assessment(id, digest, losses))

    async def approve(self, id: str, who: Person = BOB, **said: Any) -> dict[str, Any]:
        """Names the staged bundle's hash unless told."""
        change = self.state.changes[id]
        said.setdefault("bundle", str(change.subject.get("bundle", "")))
        return await self.service.approve(who, id, Approving(**said), "it is right", "T-1")

    async def step(self, id: str, step: int, steps: list[dict[str, Any]]) -> Governance:
        change = act("rollout.step")
        return await self.note(
            "rollout.stepped", id=id, step=step, steps=steps, gate=None, change=change
        )

    async def activate(self, id: str) -> Governance:
        """Through its last step."""
        subject = self.state.changes[id].subject
        active = self.state.active
        assert active is not None
        body = {name: subject[name] for name in ("bundle", "revision", "version")}
        return await self.note(
            "bundle.activated",
            id=id,
            floor_note=active.floor_note,
            change=act("bundle.activate"),
            **body,
        )

    async def bring_in_force(self, version: int = 2, **more: bytes) -> str:
        """A bundle all the way."""
        id = await self.stage(version, ANN, **more)
        await self.test(id)
        await self.assess(id)
        await self.approve(id)
        await self.step(id, 0, [everywhere(200), everywhere()])
        await self.step(id, 1, [everywhere(200), everywhere()])
        await self.activate(id)
        return id

    async def folded(self) -> Governance:
        """The state as somebody who knows only the log has it."""
        entries = await self.log.journal()
        return fold(Record(e.seq, e.time_us, e.type, e.actor, e.body) for e in entries)


def everywhere(share_permille: int = 1000) -> dict[str, canonical.Value]:
    return {"environment": "*", "region": "*", "share_permille": share_permille}


def act(change_type: str, user: str = ACTOR) -> dict[str, canonical.Value]:
    """The member `change` of an automatic act."""
    return {
        "approval_id": "T-1",
        "change_type": change_type,
        "justification": "by itself",
        "new_value": "",
        "previous_value": "",
        "user": user,
    }


def activation(signed: SignedBundle) -> dict[str, Any]:
    bundle = signed.bundle
    return {
        "bundle": bundle.hash,
        "change": act("bundle.activate"),
        "floor_note": "",
        "id": None,
        "revision": bundle.revision,
        "version": bundle.version,
    }


def assessment(id: str, report: str, losses: tuple[str, ...]) -> dict[str, Any]:
    return {
        "classes": 10,
        "id": id,
        "less": len(losses),
        "losses": sorted(losses)[:200],
        "losses_count": len(losses),
        "losses_hash": losses_hash(losses),
        "more": 1,
        "report": report,
        "verdicts": 1000,
    }
