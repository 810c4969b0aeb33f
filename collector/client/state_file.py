"""Small files that survive a crash whole: written beside, flushed, then renamed."""

import os
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Replace the file (mode 0600) so that a reader sees the old or the new text; raises OSError.

    The folder is flushed too: without it a rename may not survive a power cut.
    """
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
