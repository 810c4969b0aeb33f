"""collector.yaml, parsed once into frozen types. Paths are relative to the file.

gateway: {url: "https://…", ca: ca.pem, certificate: collector.pem, key: collector.key}
log: {origin: …, key: <vkey, or a file that holds it>, succession_keys: [the same, of people]}
state: state/                        the newest checkpoint lives here
export: {file: points.jsonl}
interval_seconds: 15
profile: conservative                or a mapping, or a list of profiles (collector.profiles)
process_classification: …            as collector.classify reads it, or a file of it
overrides: […]
observe: false                       propose and log, drop nothing
"""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from collector.classify import ClassRule, Override, parse_classification, parse_overrides
from collector.client.connection import GatewayConnection
from collector.errors import ConfigError
from collector.profiles import Profile, parse_profile
from gateway.errors import ConfigError as DocumentError
from gateway.errors import VerificationError
from gateway.transparency.notes import Verifier
from gateway.wire.documents import load_yaml

DEFAULT_INTERVAL_SECONDS = 15.0
DEFAULT_TIER = "unlisted"  # what the gateway's registry says of a collector that it does not list
MAX_INTERVAL_SECONDS = 3600.0

_TOP = (
    "gateway",
    "log",
    "state",
    "export",
    "interval_seconds",
    "profile",
    "process_classification",
    "overrides",
    "observe",
)
_GATEWAY = ("url", "ca", "certificate", "key", "tier")


@dataclass(frozen=True)
class Configuration:
    """What collector.yaml says."""

    path: Path
    gateway: GatewayConnection
    tier: str
    log: Verifier
    succession_keys: tuple[Verifier, ...]
    state: Path
    export_file: Path
    interval_seconds: float
    observe: bool
    profile: Profile
    rules: tuple[ClassRule, ...]
    overrides: tuple[Override, ...]


def load_configuration(path: Path) -> Configuration:
    """The configuration in a file; raises ConfigError that names the setting and the mend."""
    raw = _Section(path, "", _read(path), _TOP)
    gateway = raw.section("gateway", _GATEWAY)
    export = raw.section("export", ("file",))
    log = raw.section("log", ("origin", "key", "succession_keys"))
    return Configuration(
        path=path,
        gateway=GatewayConnection(
            url=_parse_url(gateway),
            ca=gateway.file("ca"),
            certificate=gateway.file("certificate"),
            key=gateway.file("key"),
        ),
        tier=gateway.text("tier", DEFAULT_TIER),
        log=_parse_log(log),
        succession_keys=_parse_people(log),
        state=raw.file("state"),
        export_file=export.file("file"),
        interval_seconds=_parse_interval(raw),
        observe=raw.boolean("observe"),
        profile=parse_profile(raw.value("profile"), f"{path}: profile"),
        rules=parse_classification(
            _included(raw, "process_classification"), f"{path}: process_classification"
        ),
        overrides=parse_overrides(_included(raw, "overrides"), f"{path}: overrides"),
    )


def prepare_state(configuration: Configuration) -> None:
    """Make the state and export folders (0700); raises ConfigError where that cannot be done."""
    for folder in (configuration.state, configuration.export_file.parent):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{configuration.path}: the folder {folder} cannot be made ({error.strerror})"
            ) from None
        if not os.access(folder, os.W_OK):
            raise ConfigError(f"{configuration.path}: the folder {folder} is not writable")


class _Section:
    """One mapping of the file; messages carry the path of settings to it."""

    def __init__(self, path: Path, prefix: str, values: Any, known: tuple[str, ...]) -> None:
        self.path = path
        self._prefix = prefix
        if not isinstance(values, Mapping):
            raise self.error(prefix.rstrip("."), "must be a mapping of settings")
        self._values = values
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)[0]
                raise self.error(prefix + str(name), f"is not a setting; did you mean {near}?")

    def error(self, name: str, mend: str) -> ConfigError:
        return ConfigError(f"{self.path}: {name or 'the document'} {mend}")

    def value(self, name: str) -> Any:
        return self._values.get(name)

    def section(self, name: str, known: tuple[str, ...]) -> "_Section":
        if name not in self._values:
            raise self.error(self._prefix + name, "is missing; add it")
        return _Section(self.path, f"{self._prefix}{name}.", self._values[name], known)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._values.get(name, default)
        if value is None:
            raise self.error(self._prefix + name, "is missing; add it")
        if not isinstance(value, str) or not value.strip():
            raise self.error(self._prefix + name, "must be text that is not empty")
        return value.strip()

    def file(self, name: str) -> Path:
        return self.path.parent / self.text(name)

    def boolean(self, name: str) -> bool:
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise self.error(self._prefix + name, "must be true or false")
        return value


def _read(path: Path) -> Any:
    try:
        return load_yaml(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except DocumentError as error:
        raise ConfigError(str(error)) from None


def _included(raw: _Section, name: str) -> Any:
    """The setting's value; a text names a file that holds it."""
    value = raw.value(name)
    return _read(raw.path.parent / value) if isinstance(value, str) else value


def _parse_url(gateway: _Section) -> str:
    url = gateway.text("url")
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.query or parts.fragment:
        raise gateway.error("gateway.url", "must look like https://host:port")
    return url.rstrip("/")


def _parse_log(log: _Section) -> Verifier:
    origin, key = log.text("origin"), log.text("key")
    if "+" not in key:
        key = _read_file(log, "log.key", log.file("key"))
    try:
        verifier = Verifier.from_vkey(key)
    except VerificationError as error:
        raise log.error("log.key", f"is not a verifier key: {error}") from None
    if verifier.name != origin:
        raise log.error("log.key", f"is the key of {verifier.name}, but log.origin is {origin}")
    return verifier


def _parse_people(log: _Section) -> tuple[Verifier, ...]:
    """Who may say that another log goes on; nobody where there is none."""
    listed = log.value("succession_keys")
    if listed is None:
        return ()
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise log.error("log.succession_keys", "must be a list of keys or of files that hold one")
    found = []
    for one in listed:
        key = one if "+" in one else _read_file(log, "log.succession_keys", log.path.parent / one)
        try:
            found.append(Verifier.from_vkey(key))
        except VerificationError as error:
            raise log.error("log.succession_keys", f"holds no verifier key: {error}") from None
    return tuple(found)


def _read_file(log: _Section, name: str, path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise log.error(name, f"names {path}, which cannot be read") from None


def _parse_interval(raw: _Section) -> float:
    value = raw.value("interval_seconds")
    if value is None:
        return DEFAULT_INTERVAL_SECONDS
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise raw.error("interval_seconds", "must be a number of seconds")
    if not 0 < value <= MAX_INTERVAL_SECONDS:
        raise raw.error("interval_seconds", f"must lie between 0 and {MAX_INTERVAL_SECONDS:.0f}")
    return float(value)
