"""The files of a bundle folder: read once, without following links, within limits."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from gateway.bundles.limits import BundleLimits
from gateway.errors import BundleError

# Names that every file system and archive spells alike; hidden ones are allowed (.manifest).
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+\Z")


def read_files(root: Path, limits: BundleLimits) -> dict[str, bytes]:
    """Path (with `/`, below root) to content, sorted by path; raises BundleError for a link,
    anything but plain files and folders, an odd name, and past `limits`."""
    try:
        if not stat.S_ISDIR(os.stat(root).st_mode):
            raise BundleError(f"{root}: not a folder; name the folder that holds .manifest")
        files: dict[str, bytes] = {}
        total = 0
        for name in _walk(root, "", limits):
            if len(files) == limits.max_files:
                raise BundleError(f"{root}: more than {limits.max_files} files; split the bundle")
            files[name] = _read_file(root, name, limits)
            total += len(files[name])
            if total > limits.max_total_bytes:
                raise BundleError(f"{root}: more than {limits.max_total_bytes} bytes in all")
    except OSError as error:
        raise BundleError(f"{error.filename or root}: {error.strerror}") from None
    return dict(sorted(files.items()))


def is_portable_segment(name: str) -> bool:
    """Whether every file system and archive spells this one name of a path alike."""
    return _SEGMENT.match(name) is not None and name not in (".", "..")


def _walk(root: Path, below: str, limits: BundleLimits) -> Iterator[str]:
    with os.scandir(root / below) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        name = f"{below}{entry.name}"
        if not is_portable_segment(entry.name):
            raise BundleError(f"{name!r}: use letters, digits, dot, dash and underscore in names")
        if len(name) > limits.max_path_characters or name.count("/") >= limits.max_depth:
            raise BundleError(f"{name}: the path is too long or too deep")
        if entry.is_symlink():
            raise BundleError(f"{name}: a link; put the file itself there")
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, name + "/", limits)
        elif entry.is_file(follow_symlinks=False):
            yield name
        else:
            raise BundleError(f"{name}: neither a file nor a folder; remove it")


def _read_file(root: Path, name: str, limits: BundleLimits) -> bytes:
    # The name was a plain file a moment ago; O_NOFOLLOW and O_NONBLOCK hold if it no longer is.
    descriptor = os.open(root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BundleError(f"{name}: changed while it was read; try again")
        content = file.read(limits.max_file_bytes + 1)
    if len(content) > limits.max_file_bytes:
        raise BundleError(f"{name}: longer than {limits.max_file_bytes} bytes")
    return content
