"""Beginning a log with a bundle, and putting another floor file in force: the two activations that
no bundle change stands behind (docs/formats.md section 11)."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway import canonical
from gateway.bundles.folder import Bundle
from gateway.changes.journal import Journal, JournalDraft
from gateway.changes.state import Governance
from gateway.decisions.floor import FloorFile, removed_rows
from gateway.errors import BundleError, ChangeRefusedError
from gateway.wire.classes import EXECUTABLE_PATH, IDENTITY_SOURCE, NAME_ATTRIBUTES, ClassDeclaration

ACTIVATED = "bundle.activated"


@dataclass(frozen=True, slots=True)
class Justification:
    """Who puts something in force, and why (the scenarios' seven audit fields)."""

    user: str
    text: str
    approval_id: str


async def begin(
    journal: Journal, bundle: Bundle, floor_note: str, why: Justification, actor: str
) -> Governance:
    """Put the first bundle of a new log in force; raises ChangeRefusedError where one is."""
    verify_declaration(bundle.class_declaration)
    pinned = (bundle.hash, bundle.revision, bundle.version)

    def decide(state: Governance) -> list[JournalDraft]:
        if state.active is not None:
            raise ChangeRefusedError("a bundle is in force already; stage another")
        return [_activated(pinned, floor_note, why, "", f"{bundle.revision} floor {floor_note}")]

    return await journal.append(actor, decide)


async def change_floor(
    journal: Journal, floor_note: str, why: Justification, actor: str
) -> Governance:
    """Put another floor file in force under the same bundle; the caller has verified that it takes
    nothing away (`verify_floor_successor`). Raises ChangeRefusedError."""

    def decide(state: Governance) -> list[JournalDraft]:
        active = state.active
        if active is None:
            raise ChangeRefusedError("nothing is in force yet; start the gateway first")
        if active.floor_note == floor_note:
            raise ChangeRefusedError("this floor is in force already")
        pinned = (active.bundle, active.revision, active.version)
        before = f"{active.revision} floor {active.floor_note}"
        after = f"{active.revision} floor {floor_note}"
        return [_activated(pinned, floor_note, why, before, after)]

    return await journal.append(actor, decide)


def _activated(
    pinned: tuple[str, str, int], floor_note: str, why: Justification, before: str, after: str
) -> JournalDraft:
    bundle, revision, version = pinned
    change: Mapping[str, canonical.Value] = {
        "approval_id": why.approval_id,
        "change_type": "floor.activate" if before else "bundle.activate",
        "justification": why.text,
        "new_value": after,
        "previous_value": before,
        "user": why.user,
    }
    return JournalDraft(
        ACTIVATED,
        lambda seq: {
            "activation": seq,
            "bundle": bundle,
            "change": dict(change),
            "floor_note": floor_note,
            "id": None,
            "revision": revision,
            "version": version,
        },
    )


def verify_declaration(declaration: ClassDeclaration) -> None:
    """Raises BundleError unless the floor sees every name: a bundle that does not declare one
    would blind the floor, which is to lower it (P2)."""
    needed = {*NAME_ATTRIBUTES, EXECUTABLE_PATH, IDENTITY_SOURCE}
    if hidden := sorted(needed - set(declaration.attributes)):
        raise BundleError(
            f"data/class/data.yaml: attributes must declare {', '.join(hidden)}; "
            "the floor knows processes by them"
        )


def verify_floor_successor(old_floor: FloorFile | None, new_floor: FloorFile | None) -> None:
    """Raises BundleError unless the new floor file may follow: no older, nothing taken away."""
    if old_floor is None:
        return
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
