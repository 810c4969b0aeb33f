"""Reading what the configuration names: signed bundle, signed floor, keys. Part of composition."""

import hashlib
from dataclasses import dataclass

from gateway.bundles.folder import Bundle
from gateway.bundles.keys import BundleKey, read_public_key
from gateway.bundles.limits import DEFAULT_LIMITS
from gateway.bundles.signed import SignedBundle, open_bundle
from gateway.configuration import GatewayConfig
from gateway.decisions.floor import FloorFile, parse_floor, parse_rows, read_floor
from gateway.decisions.windows import parse_windows
from gateway.errors import BundleError, ConfigError, GatewayError
from gateway.transparency.notes import Verifier


@dataclass(frozen=True, slots=True)
class NamedFloor:
    """The floor file that the configuration names: its content, its bytes and their SHA-256 (hex);
    all empty where it names none."""

    file: FloorFile | None
    note: bytes
    hash: str


NO_FLOOR = NamedFloor(None, b"", "")


def read_seed(config: GatewayConfig) -> SignedBundle:
    """The bundle that a new log begins with; raises BundleError and ConfigError."""
    path = config.policies.bundle
    if path.is_dir():
        raise ConfigError(
            f"at policies.bundle: {path} is a folder; build and sign it with "
            "`gateway policy build` and name the archive"
        )
    try:
        with path.open("rb") as file:
            archive = file.read(DEFAULT_LIMITS.max_total_bytes + 1)
    except OSError as error:
        raise ConfigError(f"at policies.bundle: {path}: {error.strerror}") from None
    try:
        signed = open_bundle(archive, bundle_keys(config))
    except BundleError as error:
        raise BundleError(f"at policies.bundle: {path}: {error}") from None
    verify_readable(signed.bundle)
    return signed


def verify_readable(bundle: Bundle) -> None:
    """Raises BundleError unless the bundle's windows and floor rows can be used."""
    parse_windows(bundle.windows)
    parse_rows(bundle.never_filter, "never_filter rows of the bundle")


def bundle_keys(config: GatewayConfig) -> list[BundleKey]:
    """The keys that may sign bundles; raises ConfigError."""
    keys = [read_public_key(path) for path in config.policies.bundle_keys]
    if not keys:
        raise ConfigError(
            "policies.bundle_keys: name the public keys that may sign bundles; "
            "`gateway keys bundle-key` makes one"
        )
    return keys


def read_named_floor(config: GatewayConfig) -> NamedFloor:
    """The floor file that the configuration names; raises ConfigError."""
    path = config.policies.floor
    if path is None:
        return NO_FLOOR
    floor = read_floor(path, config.trust_domain, floor_verifiers(config))
    note = path.read_bytes()
    return NamedFloor(floor, note, hashlib.sha256(note).hexdigest())


def parse_stored_floor(config: GatewayConfig, note: bytes) -> FloorFile:
    """A floor file out of the store; raises ConfigError."""
    text = note.decode(errors="replace")
    return parse_floor(text, config.trust_domain, floor_verifiers(config), "the stored floor")


def floor_verifiers(config: GatewayConfig) -> list[Verifier]:
    """The keys that may sign a floor; raises ConfigError."""
    verifiers = []
    for path in config.policies.floor_keys:
        try:
            verifiers.append(Verifier.from_vkey(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, GatewayError) as error:
            raise ConfigError(f"{path}: not a verifier key: {error}") from None
    if not verifiers:
        raise ConfigError("policies.floor_keys: name the keys that may sign policies.floor")
    return verifiers
