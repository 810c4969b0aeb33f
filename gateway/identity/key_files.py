"""Writing secret files: owner-only, never over another file, whole or not at all."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.durable_files import sync_folder, write_durably
from gateway.errors import ConfigError

FILE_MODE = 0o600
FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write. `path` is relative to the domain's folder; `what` says what it is for."""

    path: Path
    what: str
    content: bytes = field(repr=False)


def write_folder(folder: Path, files: Sequence[NewFile]) -> None:
    """Make `folder` with the files, under another name first: a crash leaves all or nothing of it.

    Raises ConfigError when something is there already or the disk refuses.
    """
    verify_absent(folder)
    parent = folder.absolute().parent
    partial = parent / f".{folder.name}.{secrets.token_hex(8)}.partial"
    with _wrapped(folder):
        parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir(mode=FOLDER_MODE)
        try:
            for file in files:
                _make_folders(partial, file.path.parent)
                write_durably(partial / file.path, file.content, FILE_MODE)
                sync_folder(partial / file.path.parent)
            sync_folder(partial)
            os.rename(partial, folder)  # fails on a folder that is no longer empty
            sync_folder(parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def add_files(folder: Path, files: Sequence[NewFile]) -> None:
    """Add the files to `folder`, each whole or not at all.

    Raises ConfigError when one of them is there already, before any is written, or when the disk
    refuses.
    """
    for file in files:
        verify_absent(folder / file.path)
    for file in files:
        target = folder / file.path
        partial = target.with_name(f".{secrets.token_hex(8)}.partial")
        with _wrapped(target):
            _make_folders(folder, file.path.parent)
            try:
                write_durably(partial, file.content, FILE_MODE)
                os.link(partial, target)  # unlike a rename, never over a file that is there
            finally:
                partial.unlink(missing_ok=True)
            sync_folder(target.parent)


def replace_file(target: Path, content: bytes) -> None:
    """Put `content` in place of the file at once: a reader sees the old one or the new one.

    Raises ConfigError when the disk refuses.
    """
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    with _wrapped(target):
        try:
            write_durably(partial, content, FILE_MODE)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(target.parent)


def read_file(path: Path, what: str) -> bytes:
    """The file's bytes; raises ConfigError that says what is missing."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the {what}: {error.strerror}") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One writer at a time in `folder`, across processes; raises ConfigError when there is none."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(
            f"{folder}: no folder of keys: {error.strerror}; make one with `gateway keys init`"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def verify_absent(path: Path) -> None:
    """Raises ConfigError when anything but an empty folder is at `path`."""
    try:
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            return
        path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    raise ConfigError(f"{path} is there already and is never overwritten: choose another place")


@contextmanager
def _wrapped(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path}: cannot write it: {error.strerror}") from None


def _make_folders(base: Path, relative: Path) -> None:
    # Not mkdir(parents=True): that gives the folders between the umask's mode.
    for part in relative.parts:
        base = base / part
        base.mkdir(mode=FOLDER_MODE, exist_ok=True)
