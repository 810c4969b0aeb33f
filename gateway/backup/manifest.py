"""What a backup says of itself: `backup.json`."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway import canonical
from gateway.backup.errors import BackupError
from gateway.errors import CanonicalError
from gateway.storage.dumping import POSTGRESQL, SQLITE

MANIFEST_FILE = "backup.json"
CHECKPOINT_FILE = "checkpoint"
DATABASE_FILES = {SQLITE: "log.db", POSTGRESQL: "log.dump"}
_VERSION = 1
_MAX_BYTES = 100_000
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """`size` and `root` (hex) are the newest checkpoint's in the copy, `sha256` the database
    file's, `store` says of which kind it is."""

    log: str
    time: str
    size: int
    root: str
    store: str
    sha256: str
    region: str

    @property
    def file(self) -> str:
        """The database's name in the backup's folder."""
        return DATABASE_FILES[self.store]


def encode_manifest(manifest: Manifest) -> bytes:
    """Canonical bytes."""
    return canonical.encode({"v": _VERSION, **asdict(manifest)})


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup, with its database file held against it; raises BackupError."""
    try:
        data = (folder / MANIFEST_FILE).read_bytes()[:_MAX_BYTES]
        value = canonical.decode(data)
    except OSError as error:
        raise BackupError(f"{folder} is no backup: {MANIFEST_FILE}: {error.strerror}") from None
    except CanonicalError as error:
        raise BackupError(f"{folder / MANIFEST_FILE} is damaged: {error}") from None
    manifest = _parse(folder, value)
    try:
        found = sha256_of(folder / manifest.file)
    except OSError as error:
        raise BackupError(f"{folder / manifest.file}: {error.strerror}") from None
    if found != manifest.sha256:
        raise BackupError(
            f"{folder / manifest.file} is not what the backup's manifest says: it was damaged or "
            "changed; take another backup"
        )
    return manifest


def sha256_of(path: Path) -> str:
    """The file's SHA-256, hex; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _parse(folder: Path, value: canonical.Value) -> Manifest:
    names = ("log", "time", "root", "store", "sha256", "region")
    if not isinstance(value, dict) or value.get("v") != _VERSION:
        raise BackupError(f"{folder / MANIFEST_FILE} is of a version that this gateway lacks")
    texts = {name: value.get(name) for name in names}
    size = value.get("size")
    if type(size) is not int or not all(isinstance(text, str) for text in texts.values()):
        raise BackupError(f"{folder / MANIFEST_FILE} is damaged: values of other types")
    if texts["store"] not in DATABASE_FILES:
        raise BackupError(f"{folder / MANIFEST_FILE} is of a store that this gateway lacks")
    return Manifest(size=size, **{name: str(text) for name, text in texts.items()})
