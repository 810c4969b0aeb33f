"""The state of a walk, to be kept in a file and gone on from."""

from collections.abc import Mapping
from typing import Any

from gateway.canonical import Value
from gateway.transparency.checkpoint import read_unverified_checkpoint
from gateway.transparency.growth import TILE_WIDTH
from gateway.transparency.seals import Kind, Seal
from gateway.transparency.walk import Walk


def state_of(walk: Walk) -> dict[str, Value]:
    """The state, to be kept; to be taken between blocks."""
    return {
        "size": walk.size,
        "start": walk.start,
        "head": _hex(walk.head),
        "pending": _hex(walk.pending),
        "time": walk.time,
        "clock_seq": walk.clock_seq,
        "newest": _seal_value(walk.newest),
        "outside": _seal_value(walk.outside),
        "sealed": walk.sealed,
        "checkpoints": walk.checkpoints,
        "anchors": [list(anchor) for anchor in walk.anchors],
        "newest_journal": walk.newest_journal,
        "succeeds": walk.succeeds,
        "chain": walk.chain.as_value(),
        "tree": walk.tree.as_value(),
        "tiles": walk.tiles.as_value(),
        "removals": walk.removals.as_value(),
        "payloads": walk.payloads.as_value() if walk.payloads else None,
    }


def restore(walk: Walk, value: Mapping[str, Any]) -> None:
    """Go on from a state that `state_of` gave; raises KeyError, TypeError, ValueError and
    VerificationError for one that was not."""
    walk.size, walk.start = int(value["size"]), int(value["start"])
    walk.head, walk.pending = _unhex(value["head"]), _unhex(value["pending"])
    walk.time, walk.clock_seq = value["time"], value["clock_seq"]
    walk.sealed, walk.checkpoints = int(value["sealed"]), int(value["checkpoints"])
    walk.anchors = [(int(size), str(root)) for size, root in value["anchors"]]
    walk.newest_journal = int(value["newest_journal"])
    walk.succeeds = value["succeeds"]
    walk.chain.restore(value["chain"])
    walk.tree.restore(value["tree"])
    walk.removals.restore(value["removals"])
    walk.newest = _read_seal(value["newest"])
    walk.outside = _read_seal(value["outside"])
    if walk.payloads and value["payloads"]:
        walk.payloads.restore(value["payloads"])
    if walk.edges:
        walk.edges.skip(walk.sealed)
    if walk.journal:
        walk.journal.skip(walk.size)
    walk.tiles.restore(value["tiles"], walk.tree.size // TILE_WIDTH)


def _seal_value(seal: Seal | None) -> list[Value] | None:
    return [str(seal.kind), seal.checkpoint.note] if seal else None


def _read_seal(value: Any) -> Seal | None:
    if value is None:
        return None
    kind, note = value
    return Seal(read_unverified_checkpoint(note), Kind(kind))


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _unhex(value: Any) -> bytes | None:
    return None if value is None else bytes.fromhex(value)
