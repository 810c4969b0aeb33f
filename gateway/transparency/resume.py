"""Going on from where an earlier verification stopped: its state in a file of the auditor's own."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from gateway import canonical
from gateway.errors import VerificationError
from gateway.transparency.entry import leaf_hash
from gateway.transparency.errors import SourceError, StateError
from gateway.transparency.source import LogSource

_VERSION = 1
_SAVE_SECONDS = 5.0


@dataclass(slots=True)
class Resume:
    """The state file. `context` is what must be the same for a state to be gone on from (keys,
    depth, policy); `now_seconds` is a clock that only goes forward."""

    path: Path
    context: dict[str, canonical.Value]
    now_seconds: Callable[[], float]
    _saved_at: float = field(default=0.0)

    def verify_writable(self) -> None:
        """Raises StateError where no state can be kept: said before hours of reading, not after."""
        try:
            if self.path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            with TemporaryFile(dir=self.path.parent):
                pass
        except OSError as error:
            raise StateError(f"cannot write the state {self.path}: {error.strerror}") from None

    def load(self, origin: str) -> dict[str, Any] | None:
        """The walk's state, None when there is no file or its context is another; raises
        SourceError for a file that is not one of ours, is damaged, or is of another log."""
        self._saved_at = self.now_seconds()
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"cannot read the state {self.path}: {error.strerror}") from None
        try:
            value = json.loads(text)
            body = value["state"]
            is_whole = value["v"] == _VERSION and value["sha256"] == _digest(body)
            walk, context, log = body["walk"], body["context"], body["log"]
        except (ValueError, KeyError, TypeError, VerificationError):
            is_whole = False
        if not is_whole:
            raise SourceError(
                f"the state {self.path} is no verification's, or damaged; delete it to begin anew"
            )
        if log != origin:
            raise SourceError(f"the state {self.path} is of another log, {log!r}")
        return dict(walk) if context == self.context else None

    def save_at_times(self, origin: str, walk: Callable[[], dict[str, canonical.Value]]) -> None:
        """Save every few seconds; raises SourceError."""
        if self.now_seconds() - self._saved_at >= _SAVE_SECONDS:
            self.save(origin, walk())

    def save(self, origin: str, walk: dict[str, canonical.Value]) -> None:
        """Replace the file at once; raises SourceError."""
        body: dict[str, canonical.Value] = {"log": origin, "context": self.context, "walk": walk}
        text = json.dumps({"v": _VERSION, "sha256": _digest(body), "state": body})
        beside = self.path.with_name(self.path.name + ".new")
        try:
            with beside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise SourceError(f"cannot write the state {self.path}: {error.strerror}") from None
        self._saved_at = self.now_seconds()


def is_continued_by(state: dict[str, Any], source: LogSource) -> bool:
    """Whether the evidence still has the entry that the state ends with."""
    size, head = int(state["size"]), state["head"]
    if not size or head is None:
        return False
    for batch in source.entries(size - 1):
        for seq, data, _ in batch:
            if seq == size - 1:
                return isinstance(data, bytes) and leaf_hash(data).hex() == head
            break
        break
    return [one.hex() for one in source.leaf_hashes(size - 1, size)] == [head]


def _digest(body: canonical.Value) -> str:
    return hashlib.sha256(canonical.encode(body)).hexdigest()
