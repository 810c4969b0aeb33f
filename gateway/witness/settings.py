"""witness.yaml, parsed once. Paths are relative to the file.

name: witness.example.org/w1       what cosignatures are signed as
key: witness.key                   Ed25519, PKCS #8 PEM
state: state                       what was seen, one file a log
logs: [gateway.vkey, …]            verifier keys, or files of one; several of one name are one log's
listen: {host: 127.0.0.1, port: 8470}
tls: {certificate: …, key: …}      without it plain HTTP, on this machine only
"""

import json
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.errors import ConfigError, VerificationError
from gateway.identity.key_files import FOLDER_MODE, NewFile, read_file, write_folder
from gateway.identity.signing_keys import create_note_key_files
from gateway.transparency.cosignature import CosignatureVerifier, Cosigner
from gateway.transparency.notes import Verifier
from gateway.wire.documents import load_yaml

CONFIGURATION = "witness.yaml"
DEFAULT_PORT = 8470

_STEM = "witness"
_STATE = "state"


class WitnessListen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to listen; loopback unless told."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = DEFAULT_PORT


class WitnessTls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The server's certificate chain and key (PEM)."""

    certificate: Path
    key: Path


class WitnessConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of witness.yaml."""

    name: str
    key: Path
    state: Path
    logs: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=1024)]
    listen: WitnessListen = WitnessListen()
    tls: WitnessTls | None = None


def load_witness(path: Path) -> WitnessConfig:
    """Read witness.yaml; raises ConfigError that names the setting."""
    base = path.parent.resolve()
    try:
        value = load_yaml(read_file(path, "witness's configuration").decode(), str(path))
        config = msgspec.convert(value, WitnessConfig, dec_hook=lambda _, item: base / str(item))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        place = place.rstrip("`").lstrip(".") or "the top level"
        raise ConfigError(
            f"{path}: at {place}: {message[0].lower()}{message[1:]}; see docs/operations.md, "
            "Witnesses and timestamps, for every setting"
        ) from None
    if config.tls is None and not _is_loopback(config.listen.host):
        raise ConfigError(
            f"{path}: at listen.host: {config.listen.host} is not this machine alone; name a "
            "certificate and key in tls, or listen on 127.0.0.1 behind a proxy"
        )
    return config


def read_cosigner(config: WitnessConfig) -> Cosigner:
    """The witness's own key; raises ConfigError."""
    try:
        key = load_pem_private_key(read_file(config.key, "witness's key"), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{config.key}: the witness's key cannot be read ({type(error).__name__}); "
            "`gateway witness init` makes one"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{config.key}: the witness's key must be Ed25519")
    try:
        return Cosigner(config.name, key)
    except VerificationError as error:
        raise ConfigError(f"at name: {config.name[:80]!r} cannot name a witness: {error}") from None


def read_logs(logs: Sequence[str], base: Path) -> Mapping[str, tuple[Verifier, ...]]:
    """The keys of each origin; each of `logs` is a verifier key or a file that holds one. Raises
    ConfigError."""
    found: dict[str, tuple[Verifier, ...]] = {}
    for text in logs:
        if text.count("+") < 2:
            text = read_file(base / text, "log's verifier key").decode(errors="replace")
        try:
            verifier = Verifier.from_vkey(text)
        except VerificationError as error:
            raise ConfigError(f"at logs: {text[:80]!r} is not a log's key: {error}") from None
        found[verifier.name] = (*found.get(verifier.name, ()), verifier)
    return found


def create_witness(folder: Path, name: str, logs: Sequence[str]) -> CosignatureVerifier:
    """Make `folder` with a new key, `witness.vkey` (for policies) and witness.yaml over the logs'
    keys; gives the public key. Raises ConfigError."""
    listed = [key.vkey for keys in read_logs(logs, Path()).values() for key in keys]
    private, _ = create_note_key_files(_STEM, "cosignatures", name)
    key = load_pem_private_key(private.content, password=None)
    assert isinstance(key, Ed25519PrivateKey)  # made one line above
    verifier = Cosigner(name, key).verifier
    public = NewFile(
        Path(f"{_STEM}.vkey"), "public key, for witness policies", f"{verifier.vkey}\n".encode()
    )
    lines = [f"name: {json.dumps(name)}", f"key: {_STEM}.key", f"state: {_STATE}", "logs:"]
    lines += [f"  - {json.dumps(vkey)}" for vkey in listed]
    lines += [f"listen: {{host: 127.0.0.1, port: {DEFAULT_PORT}}}", ""]
    settings = NewFile(Path(CONFIGURATION), "the configuration", "\n".join(lines).encode())
    write_folder(folder, [private, public, settings])
    (folder / _STATE).mkdir(mode=FOLDER_MODE)
    return verifier


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
