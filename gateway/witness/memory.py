"""What a witness remembers: for each log the newest checkpoint that it cosigned.

One file a log, named hex(SHA-256(origin)) with the ending `.checkpoint`, holding the signed note
itself, so that a file that was tampered with is found when it is read.
"""

import fcntl
import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.errors import ConfigError, VerificationError
from gateway.identity.key_files import replace_file
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint_by_any
from gateway.transparency.closeable import Closeable
from gateway.transparency.notes import Verifier

LOCK_FILE = "lock"

_ENDING = ".checkpoint"
_LEFTOVER = ".*.partial"  # of a write that a crash cut off


class WitnessMemory(Closeable):
    """The newest checkpoints in a folder, held by one process at a time until `close`."""

    def __init__(self, folder: Path, logs: Mapping[str, Sequence[Verifier]]) -> None:
        """`logs`: the keys of each origin. Raises ConfigError when another process has the folder,
        or when a file in it is not a checkpoint that one of the log's keys signed."""
        self._folder = folder
        self._lock = _lock(folder)
        try:
            for leftover in folder.glob(_LEFTOVER):
                with suppress(OSError):  # harmless; a disk that refuses shows when one is kept
                    leftover.unlink()
            self._newest = {
                origin: newest
                for origin, keys in logs.items()
                if (newest := _read(self._path(origin), keys)) is not None
            }
        except BaseException:
            self.close()
            raise

    def newest(self, origin: str) -> Checkpoint | None:
        """The newest checkpoint cosigned of this log, or None."""
        return self._newest.get(origin)

    def keep(self, checkpoint: Checkpoint) -> None:
        """Remember it: on disk before this returns, whole or not at all. Raises ConfigError when
        the disk refuses; what was remembered before then stands."""
        replace_file(self._path(checkpoint.origin), checkpoint.note.encode())
        self._newest[checkpoint.origin] = checkpoint

    def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)

    def _path(self, origin: str) -> Path:
        return self._folder / (hashlib.sha256(origin.encode()).hexdigest() + _ENDING)


def _lock(folder: Path) -> int:
    try:
        handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{folder}: the witness's state cannot be kept there: {error.strerror}; make the "
            "folder, mode 0700"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise ConfigError(
            f"{folder}: another process is this witness already; two of them could cosign two "
            "histories"
        ) from None
    return handle


def _read(path: Path, keys: Sequence[Verifier]) -> Checkpoint | None:
    try:
        return open_checkpoint_by_any(path.read_bytes().decode(), keys)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, VerificationError) as error:
        raise ConfigError(
            f"{path} is not a checkpoint of log {keys[0].name} ({error}); restore it: a witness "
            "that forgets what it saw would cosign a rolled-back log"
        ) from None
