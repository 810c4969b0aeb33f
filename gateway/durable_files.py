"""Making files and their names durable: what these have answered for survives a power cut.

A file's content is made durable by a sync of the file, its name by one of the folder.
"""

import os
from pathlib import Path


def write_durably(path: Path, content: bytes, mode: int, *, over: bool = False) -> None:
    """Write a new file of this mode (less the umask), its content durable, its name not yet; raises
    OSError: FileExistsError when anything is there, unless `over` says to write over it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if over else os.O_EXCL)
    with open(os.open(path, flags, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Make a written file's content durable; raises OSError."""
    _sync(path, os.O_RDONLY | os.O_CLOEXEC)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable; raises OSError."""
    _sync(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
