"""The file that says who somebody is to which gateway. Paths are relative to the file."""

from pathlib import Path

import msgspec

from gateway.errors import ConfigError
from gateway.wire.documents import load_yaml

ENVIRONMENT_VARIABLE = "GATEWAY_PERSON"
_FORM = "write gateway (https://host:port), certificate, key and ca"


class PersonFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The gateway's address, and the PEM files that prove each side to the other."""

    gateway: str
    certificate: Path
    key: Path
    ca: Path


def read_person(path: Path | None) -> PersonFile:
    """Raises ConfigError that names the file and the setting."""
    if path is None:
        raise ConfigError(
            f"name your person file: --person FILE or {ENVIRONMENT_VARIABLE}; {_FORM}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}; {_FORM}") from None
    base = path.parent.resolve()
    try:
        person = msgspec.convert(
            load_yaml(text, str(path)), PersonFile, dec_hook=lambda kind, item: _path(base, item)
        )
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}; {_FORM}") from None
    if not person.gateway.startswith("https://"):
        raise ConfigError(f"{path}: gateway must begin with https://")
    return person


def _path(base: Path, item: object) -> Path:
    if not isinstance(item, str) or not item:
        raise ValueError("expected a path")
    return base / item
