"""tree.json, proofs.json and tiles.json. Leaf number i of their tree is the decimal text of i."""

import hashlib
from typing import Any

from tests.vectors.reference import Tree, bundle, leaf, tile_path

LAST_ROOT = 300
TILED = 70_000
DATA = [str(index).encode() for index in range(TILED)]
TREE = Tree([leaf(data) for data in DATA])
INCLUSION_SIZES = (1, 2, 3, 4, 7, 8, 9, 33, 100, 257)
CONSISTENCY_SIZES = (33, 64, 100, 255, 256, 257, 300)
PATHS: list[tuple[int | str, int, int]] = [
    *((0, 0, 256), (0, 0, 1), (0, 1, 255), (1, 999, 256), (0, 1_000, 256), (2, 1_000, 7)),
    *((0, 1_234_067, 256), (0, 999_999, 256), (0, 1_000_000, 3), (63, 0, 1)),
    *(("entries", 0, 112), ("entries", 1_234, 256), ("entries", 10**12, 256)),
]
NO_PATHS = [
    *("tile/0/0", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/0/000.p/0", "tile/0/000.p/01"),
    *("tile/0/000.p/256", "tile/0/000.p/", "tile/0/x000/001", "tile/0/x001", "tile/0/001/002"),
    *("/tile/0/000", "tile/0/000/", "tile/-1/000", "tile/data/000", "checkpoint", ""),
]
TILED_SIZES = (1, 255, 256, 257, 300, TILED)


def tree_vectors() -> dict[str, Any]:
    """`roots[n]` is the head over the first n leaves."""
    return {
        "leaves": [
            {"data": data.hex(), "leaf_hash": leaf(data).hex()}
            for data in (b"", b"\x00", b"0", b"1", b"299", bytes(range(256)))
        ],
        "nodes": [
            {"left": left.hex(), "right": right.hex(), "hash": _node(left, right).hex()}
            for left, right in ((bytes(32), bytes(32)), (leaf(b"0"), leaf(b"1")))
        ],
        "roots": [TREE.root(size).hex() for size in range(LAST_ROOT + 1)],
    }


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def proof_vectors() -> dict[str, Any]:
    """Audit paths of every index of several sizes, consistency proofs of many pairs of sizes; the
    leaves and roots are those of tree.json."""
    pairs = [(old, new) for new in range(1, 17) for old in range(new + 1)]
    for new in CONSISTENCY_SIZES:
        olds = {0, 1, 2, 3, 32, 33, 63, 64, 65, 99, 128, 200, 255, 256, new - 1, new}
        pairs += [(old, new) for old in sorted(olds) if old <= new]
    return {
        "inclusion": [
            {"index": index, "size": size, "hashes": _hex(TREE.path(index, size))}
            for size in INCLUSION_SIZES
            for index in range(size)
        ],
        "consistency": [
            {"old": old, "new": new, "hashes": _hex(TREE.proof(old, new))} for old, new in pairs
        ],
    }


def tile_vectors() -> dict[str, Any]:
    """Paths both ways; bundles; of whole trees each file's SHA-256."""
    lists = [[], [b""], [b"a"], [b"", b"bc", b""], [b"x" * 255, b"y" * 256], [b"z" * 65_535]]
    torn = bundle([b"abc", b"def"])
    return {
        "paths": [
            {"level": level, "index": index, "width": width, "path": tile_path(level, index, width)}
            for level, index, width in PATHS
        ],
        "no_paths": NO_PATHS,
        "bundles": [
            {"entries": _hex(entries), "bytes": bundle(entries).hex()} for entries in lists[:-1]
        ],
        "torn_bundles": [torn[:cut].hex() for cut in (1, 2, 3, 4, 6, 7, 9)],
        "largest": {
            "byte": 0x7A,
            "count": 65_535,
            "sha256": hashlib.sha256(bundle(lists[-1])).hexdigest(),
        },
        "trees": [{"size": 0, "root": TREE.root(0).hex(), "files": []}]
        + [
            {"size": size, "root": TREE.root(size).hex(), "files": _files(size)}
            for size in TILED_SIZES
        ],
        "small_tile": {"size": 3, "path": "tile/0/000.p/3", "bytes": _tile(0, 0, 3).hex()},
    }


def _files(size: int) -> list[dict[str, Any]]:
    """Of the larger trees the last bundles and level 0 tiles alone."""
    found = []
    for level in (-1, 0, 1, 2):
        count = size >> (8 * max(level, 0))
        last = (count + 255) // 256
        for index in range(max(0, last - 2), last):
            width = min(256, count - index * 256)
            if level < 0:
                name, data = "entries", bundle(DATA[index * 256 : index * 256 + width])
            else:
                name, data = str(level), _tile(level, index, width)
            found.append(
                {
                    "path": tile_path(name, index, width),
                    "length": len(data),
                    "sha256": hashlib.sha256(data).hexdigest(),
                }
            )
    return found


def _tile(level: int, index: int, width: int) -> bytes:
    span = 256**level
    first = index * 256
    return b"".join(TREE.range(at * span, (at + 1) * span) for at in range(first, first + width))


def _hex(parts: list[bytes]) -> list[str]:
    return [part.hex() for part in parts]
