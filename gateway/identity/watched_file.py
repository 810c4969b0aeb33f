"""A file that an operator may replace while we run."""

import os
from pathlib import Path

from gateway.errors import ConfigError

MAX_BYTES = 16 * 1024 * 1024


class WatchedFile:
    """Reads a file and can tell by `stat` alone whether it has been changed since."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self._what = what
        self._seen: tuple[int, ...] | None = None

    def is_changed(self) -> bool:
        """Whether the file is another than `read` read last (also when it is gone)."""
        try:
            return _mark(os.stat(self.path)) != self._seen
        except OSError:
            return self._seen is not None

    def read(self) -> bytes:
        """The file's bytes; raises ConfigError that names it."""
        self._seen = None
        try:
            with self.path.open("rb") as file:
                # Marked before it is read and on the open file, so that no change slips between.
                mark = _mark(os.fstat(file.fileno()))
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigError(
                f"{self.path}: cannot read the {self._what}: {error.strerror}"
            ) from None
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{self.path}: the {self._what} is larger than {MAX_BYTES} bytes")
        self._seen = mark
        return content


def _mark(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
