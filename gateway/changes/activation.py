"""Putting a bundle and a floor in force, with its record (P5).

The entry is durable before the row that puts it in force, and the activation's number is the
entry's sequence number: a crash between the two leaves an entry whose number is never used. The row
is trusted only as far as the log's last entry of its kind says the same.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway import canonical
from gateway.audit.port import Draft, Log
from gateway.bundles.folder import Bundle
from gateway.clock import Clock
from gateway.decisions.floor import Floor, FloorFile, removed_rows
from gateway.decisions.policy import ActivePolicy
from gateway.decisions.proposals import ProposalReader
from gateway.decisions.windows import parse_windows
from gateway.engine.port import Engine
from gateway.errors import BundleError, ConfigError
from gateway.transparency.entry import Entry
from gateway.wire.classes import EXECUTABLE_PATH, IDENTITY_SOURCE, NAME_ATTRIBUTES, ClassDeclaration
from gateway.wire.verdicts import PolicyRef

ACTIVATED = "bundle.activated"
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation. `number` is the sequence number of its entry, so it is never used twice."""

    number: int
    bundle: str
    revision: str
    version: int
    floor: str
    activated_us: int


class Activations(Protocol):
    """Where activations are kept."""

    def newest(self) -> Activation | None:
        """The one in force."""

    def add(self, activation: Activation, archive: bytes, floor_note: bytes) -> None:
        """Put one in force."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle and floor that were read and accepted. `floor_note` is the signed file's bytes,
    empty without one."""

    bundle: Bundle
    floor: Floor
    floor_note: bytes


@dataclass(frozen=True, slots=True)
class Justification:
    """Who puts something in force, and why (the scenarios' seven audit fields)."""

    user: str
    text: str
    approval_id: str


async def activate(
    log: Log,
    activations: Activations,
    candidate: Candidate,
    before: Activation | None,
    why: Justification,
    actor: str,
    clock: Clock,
    extra: Sequence[Draft] = (),
) -> Activation:
    """Record and put in force; raises BundleError before anything is recorded,
    LogUnavailableError and StorageError."""
    bundle = candidate.bundle
    verify_declaration(bundle.class_declaration)
    now_us = clock.now_us()

    def body(first_seq: int) -> bytes:
        return canonical.encode(
            {
                "activation": first_seq,
                "bundle": bundle.hash,
                "change": {
                    "approval_id": why.approval_id,
                    "change_type": "bundle.activate",
                    "justification": why.text,
                    "new_value": f"{bundle.revision} floor {candidate.floor.hash}",
                    "previous_value": f"{before.revision} floor {before.floor}" if before else "",
                    "user": why.user,
                },
                "floor": candidate.floor.hash,
                "revision": bundle.revision,
                "version": bundle.version,
            }
        )

    appended = await log.append([Draft(ACTIVATED, actor, body), *extra])
    activation = Activation(
        number=appended[0].seq,
        bundle=bundle.hash,
        revision=bundle.revision,
        version=bundle.version,
        floor=candidate.floor.hash,
        activated_us=now_us,
    )
    await asyncio.to_thread(activations.add, activation, bundle.archive, candidate.floor_note)
    return activation


def activation_of(entry: Entry) -> Activation:
    """The activation that a `bundle.activated` entry records; raises ConfigError for another
    shape."""
    try:
        return Activation(
            number=entry.seq,
            bundle=str(entry.body["bundle"]),
            revision=str(entry.body["revision"]),
            version=int(entry.body["version"]),  # type: ignore[arg-type]
            floor=str(entry.body["floor"]),
            activated_us=entry.time_us,
        )
    except (KeyError, TypeError, ValueError):
        raise ConfigError(f"entry {entry.seq} is no activation of ours; verify the log") from None


def verify_activation(row: Activation | None, entry: Entry | None) -> None:
    """Raises ConfigError unless the newest row is what the log's last `bundle.activated` entry put
    in force; both are None on a new log. `activated_us` is not compared: the entry's time counts.

    An entry without its row is a crash between the two, or a row that was deleted. Nothing tells
    them apart for certain, so neither is served.
    """
    problem = _difference(row, entry)
    if problem is None:
        return
    stored = "no activation is stored" if row is None else f"activation {row.number} is stored"
    raise ConfigError(
        f"{stored}, but {problem}; check the database, then run `gateway policy activate` with a "
        "justification again, which records a new activation"
    )


def _difference(row: Activation | None, entry: Entry | None) -> str | None:
    if entry is None:
        return None if row is None else "the log has no entry for it"
    if entry.type != ACTIVATED:
        return f"the log's entry {entry.seq} is a {entry.type}"
    if row is None or row.number < entry.seq:
        return f"the log's entry {entry.seq} activated another, whose row is missing"
    if row.number > entry.seq:
        return f"the log's last entry of an activation is {entry.seq}"
    recorded: dict[str, canonical.Value] = {
        "activation": row.number,
        "bundle": row.bundle,
        "floor": row.floor,
        "revision": row.revision,
        "version": row.version,
    }
    other = [name for name, value in recorded.items() if entry.body.get(name) != value]
    return f"the log's entry has another {', '.join(other)}" if other else None


def verify_declaration(declaration: ClassDeclaration) -> None:
    """Raises BundleError unless the floor sees every name: a bundle that does not declare one
    would blind the floor, which is to lower it (P2)."""
    needed = {*NAME_ATTRIBUTES, EXECUTABLE_PATH, IDENTITY_SOURCE}
    if hidden := sorted(needed - set(declaration.attributes)):
        raise BundleError(
            f"data/class/data.yaml: attributes must declare {', '.join(hidden)}; "
            "the floor knows processes by them"
        )


def verify_successor(before: Activation, old_floor: FloorFile | None, candidate: Candidate) -> None:
    """Raises BundleError unless the candidate may follow: a newer bundle version, or the same
    bundle; a floor that takes nothing away and is no older."""
    bundle = candidate.bundle
    if bundle.hash != before.bundle and bundle.version <= before.version:
        raise BundleError(
            f"the bundle's version {bundle.version} is not newer than {before.version}, which is "
            "in force; raise metadata.version in .manifest"
        )
    if old_floor is None:
        return
    new_floor = candidate.floor.file
    if new_floor is None or new_floor.version < old_floor.version:
        raise BundleError(
            f"the floor must be version {old_floor.version} or newer; it was taken away"
        )
    if new_floor.version == old_floor.version and new_floor.rows != old_floor.rows:
        raise BundleError(
            f"two different floors are version {old_floor.version}; sign the new one as "
            f"version {old_floor.version + 1}"
        )
    if lost := removed_rows(old_floor, new_floor):
        raise BundleError(
            f"the floor would lose {', '.join(lost)}; lowering it needs two approvers and "
            "24 hours, which this command cannot give"
        )


def active_policy(
    activation: Activation, candidate: Candidate, engine: Engine, max_age_days: int
) -> ActivePolicy:
    """The policy in force, ready to decide with."""
    declaration = candidate.bundle.class_declaration
    return ActivePolicy(
        ref=PolicyRef(
            activation=activation.number,
            revision=activation.revision,
            bundle=activation.bundle,
            floor=activation.floor,
        ),
        engine=engine,
        floor=candidate.floor,
        declaration=declaration,
        reader=ProposalReader(declaration),
        schedule=parse_windows(candidate.bundle.windows),
        max_age_seconds=max_age_days * 86_400,
        expires_us=activation.activated_us + max_age_days * _DAY_US,
    )
