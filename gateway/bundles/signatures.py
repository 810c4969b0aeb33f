"""`.signatures.json`: who vouches for a bundle, and for which bytes.

OPA's own format, so that real OPA servers verify it too, with one claim more. OPA hashes data files
by their value; the claim `bundle` signs the bundle hash, which is over their bytes, so that no
difference between two readers of YAML can make one signature stand for two contents. There is
neither `iat` nor `iss`: the same bundle has the same signature. Freshness comes from the version.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from gateway import canonical
from gateway.bundles.digests import digest_file
from gateway.bundles.documents import parse_json
from gateway.bundles.jws import UnverifiedToken, sign_token, split_token, verify_token
from gateway.bundles.keys import BundleKey
from gateway.errors import BundleError

PATH = ".signatures.json"
# Keeps a signature that the key made for something else from standing for a bundle.
SCOPE = "compliance-gateway/bundle/v1"
_HASHING = "SHA-256"
_PLUGIN = "_default"


def sign_files(
    files: Mapping[str, bytes], bundle_hash: str, keyid: str, key: ec.EllipticCurvePrivateKey
) -> bytes:
    """The signatures file of all these files; raises BundleError for data that cannot be read and
    ConfigError."""
    listed: list[canonical.Value] = [
        {"algorithm": _HASHING, "hash": digest_file(path, files[path]), "name": path}
        for path in sorted(files)
    ]
    claims: canonical.Value = {
        "bundle": bundle_hash,
        "files": listed,
        "keyid": keyid,
        "scope": SCOPE,
    }
    return canonical.encode({"signatures": [sign_token(claims, keyid, key)]})


def verify_signatures(
    content: bytes, files: Mapping[str, bytes], keys: Sequence[BundleKey]
) -> tuple[BundleKey, str]:
    """The configured key that signed exactly these files, and the bundle hash that it signed, which
    the caller compares. Raises BundleError."""
    token = _read_token(content)
    key = _named_key(token, keys)
    verify_token(token, key.public_key)
    if token.payload.get("scope") != SCOPE:
        raise BundleError(f"{PATH}: the signature is not for a policy bundle (scope {SCOPE})")
    _verify_files(_listed(token.payload), files)
    signed_hash = token.payload.get("bundle")
    if not isinstance(signed_hash, str):
        raise BundleError(
            f"{PATH}: the signature lacks the claim `bundle` with the bundle hash; "
            "build with `gateway policy build`, or give it to `opa sign --claims-file`"
        )
    return key, signed_hash


def _read_token(content: bytes) -> UnverifiedToken:
    value = parse_json(PATH, content)
    # `opa build` names its default verifier, which is this one; another would mean another format.
    if not isinstance(value, dict) or value.keys() - {"plugin"} != {"signatures"}:
        raise BundleError(f"{PATH}: must hold `signatures` and nothing else")
    if value.get("plugin", _PLUGIN) != _PLUGIN:
        raise BundleError(f"{PATH}: asks for a plugin that verifies it; sign without one")
    tokens = value["signatures"]
    if not isinstance(tokens, list) or len(tokens) != 1 or not isinstance(tokens[0], str):
        raise BundleError(f"{PATH}: the bundle is not signed: signatures must list one token")
    return split_token(tokens[0])


def _named_key(token: UnverifiedToken, keys: Sequence[BundleKey]) -> BundleKey:
    # OPA's signer writes the claim alone; the header's kid is what RFC 7515 section 4.1.4 has.
    named = [
        name
        for name in (token.header.get("kid"), token.payload.get("keyid"))
        if name not in (None, "")
    ]
    if not named or any(name != named[0] for name in named):
        raise BundleError(f"{PATH}: the signature must name its key, once and for all (keyid)")
    found = [key for key in keys if key.keyid == named[0]]
    if not found:
        raise BundleError(
            f"{PATH}: signed with a wrong key: {str(named[0])[:64]!r} is not a configured one"
        )
    return found[0]


def _listed(payload: Mapping[str, Any]) -> dict[str, str]:
    rows = payload.get("files")
    if not isinstance(rows, list):
        raise BundleError(f"{PATH}: the signature lists no files")
    listed: dict[str, str] = {}
    for row in rows:
        if not isinstance(row, dict) or not all(
            isinstance(row.get(name), str) for name in ("name", "hash", "algorithm")
        ):
            raise BundleError(f"{PATH}: each file needs name, hash and algorithm, as text")
        name = row["name"].removeprefix("/")
        if row["algorithm"] != _HASHING:
            raise BundleError(f"{name[:200]}: signed with another hash than {_HASHING}")
        if name in listed:
            raise BundleError(f"{name[:200]}: stands twice in the signature")
        listed[name] = row["hash"]
    return listed


def _verify_files(listed: Mapping[str, str], files: Mapping[str, bytes]) -> None:
    if unlisted := sorted(files.keys() - listed.keys()):
        raise BundleError(f"{unlisted[0]}: not listed in the signature; remove it or sign again")
    if absent := sorted(listed.keys() - files.keys()):
        raise BundleError(f"{absent[0][:200]}: listed in the signature, but missing")
    for path, content in files.items():
        if digest_file(path, content) != listed[path]:
            raise BundleError(f"{path}: changed after the bundle was signed")
