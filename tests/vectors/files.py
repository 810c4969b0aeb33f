"""The vector files by name, and how they are written: one vector a line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vectors.canonical_vectors import canonical_vectors, entry_vectors
from tests.vectors.signed_vectors import commitment_vectors, note_vectors, proof_file_vectors
from tests.vectors.tree_vectors import proof_vectors, tile_vectors, tree_vectors

FOLDER = Path(__file__).parent
FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "canonical.json": canonical_vectors,
    "commitments.json": commitment_vectors,
    "entries.json": entry_vectors,
    "notes.json": note_vectors,
    "proof-files.json": proof_file_vectors,
    "proofs.json": proof_vectors,
    "tiles.json": tile_vectors,
    "tree.json": tree_vectors,
}


def render(name: str) -> str:
    """The text of a file."""
    parts = []
    for key, value in FILES[name]().items():
        if isinstance(value, list) and value:
            lines = ",\n".join("  " + json.dumps(one) for one in value)
            parts.append(f' "{key}": [\n{lines}\n ]')
        else:
            parts.append(f' "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read(name: str) -> dict[str, Any]:
    """A file's vectors, as they are checked in."""
    value: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return value


def write_all() -> None:
    """Write every file."""
    for name in FILES:
        (FOLDER / name).write_text(render(name), encoding="utf-8")
