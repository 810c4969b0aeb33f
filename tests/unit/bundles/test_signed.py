"""Only what a configured key signed, whole and as it was, is opened."""

import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.bundles.archive import pack_archive, read_archive
from gateway.bundles.folder import parse_bundle
from gateway.bundles.jws import sign_token, split_token
from gateway.bundles.keys import BundleKey
from gateway.bundles.manifest import verify_newer
from gateway.bundles.signatures import SCOPE
from gateway.bundles.signed import open_bundle
from gateway.errors import BundleError
from tests.fakes.bundles import (
    AUTHOR_KEY,
    KEYS,
    OTHER_KEY,
    bundle_files,
    revised,
    sign_raw,
    signed_archive,
)

ARCHIVE = signed_archive()
FILES = read_archive(ARCHIVE)
SIGNATURES = ".signatures.json"


def test_opens_what_a_configured_key_signed() -> None:
    opened = open_bundle(ARCHIVE, KEYS)
    assert opened.archive_bytes == ARCHIVE
    assert opened.keyid == "author"
    assert opened.key_fingerprint == KEYS[0].fingerprint
    folder = parse_bundle(bundle_files())
    assert opened.bundle == folder  # a folder and the archive built of it: hash, files, all of it
    assert json.loads(FILES[".manifest"])["revision"] == folder.revision


def resigned(change: Mapping[str, object], kid: str = "author") -> dict[str, bytes]:
    """The good files under the author's signature over other claims; None takes one out."""
    token = json.loads(FILES[SIGNATURES])["signatures"][0]
    claims = {**split_token(token).payload, **change}
    kept = {name: value for name, value in claims.items() if value is not None}
    token = sign_token(kept, kid, AUTHOR_KEY)
    return FILES | {SIGNATURES: json.dumps({"signatures": [token]}).encode()}


def without(path: str) -> dict[str, bytes]:
    return {name: content for name, content in FILES.items() if name != path}


def signed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return sign_raw(revised({**bundle_files(), **files}))


def manifest(**members: object) -> dict[str, bytes]:
    value = {"revision": "", "roots": ["main", "data"], "metadata": {"version": 1}, **members}
    return {".manifest": json.dumps(value).encode()}


SCHEMA = json.dumps({"properties": {"a": {"type": "integer"}}}).encode()
REFUSED: dict[str, tuple[Callable[[], Mapping[str, bytes]], str]] = {
    "unsigned": (lambda: without(SIGNATURES), "the bundle is not signed"),
    "no token": (lambda: FILES | {SIGNATURES: b'{"signatures": []}'}, "the bundle is not signed"),
    "two tokens": (
        lambda: FILES | {SIGNATURES: b'{"signatures": ["a", "b"]}'},
        "must list one token",
    ),
    "a plugin": (
        lambda: FILES | {SIGNATURES: b'{"signatures": ["a"], "plugin": "x"}'},
        "asks for a plugin",
    ),
    "more beside the token": (
        lambda: FILES | {SIGNATURES: b'{"signatures": ["a"], "x": 1}'},
        "and nothing else",
    ),
    "unknown key": (
        lambda: sign_raw(revised(bundle_files()), keyid="mallory", key=OTHER_KEY),
        "signed with a wrong key: 'mallory' is not a configured one",
    ),
    "another's key under the author's name": (
        lambda: sign_raw(revised(bundle_files()), keyid="author", key=OTHER_KEY),
        "the signature is not by the configured key",
    ),
    "the author's key under another's name": (
        lambda: sign_raw(revised(bundle_files()), keyid="other"),
        "the signature is not by the configured key",
    ),
    "two names of the key": (lambda: resigned({"keyid": "other"}), "must name its key"),
    "no name of the key": (lambda: resigned({"keyid": None}, kid=""), "must name its key"),
    "another scope": (lambda: resigned({"scope": "write"}), SCOPE),
    "no scope": (lambda: resigned({"scope": None}), SCOPE),
    "no bundle hash": (lambda: resigned({"bundle": None}), "lacks the claim `bundle`"),
    "another bundle hash": (lambda: resigned({"bundle": "0" * 64}), "the bundle hash differs"),
    "no files": (lambda: resigned({"files": None}), "lists no files"),
    "files of another shape": (lambda: resigned({"files": [{"name": "a"}]}), "name, hash and"),
    "a file twice": (
        lambda: resigned(
            {"files": [{"name": n, "hash": "", "algorithm": "SHA-256"} for n in ("a", "/a")]}
        ),
        "a: stands twice in the signature",
    ),
    "a weak hash": (
        lambda: resigned({"files": [{"name": "a", "hash": "", "algorithm": "MD5"}]}),
        "another hash than SHA-256",
    ),
    "changed policy": (
        lambda: FILES | {"main/main.rego": FILES["main/main.rego"] + b"\n"},
        "main/main.rego: changed after",
    ),
    "changed data": (
        lambda: FILES | {"data/data.yaml": FILES["data/data.yaml"].replace(b"payment-*", b"-")},
        "data/data.yaml: changed after",
    ),
    "data changed where OPA does not look": (
        lambda: FILES | {"data/data.yaml": FILES["data/data.yaml"] + b"# harmless\n"},
        "the bundle hash differs",
    ),
    "changed version": (
        lambda: FILES | {".manifest": FILES[".manifest"].replace(b'"version":1', b'"version":9')},
        ".manifest: changed after",
    ),
    "unlisted": (
        lambda: FILES | {"main/extra.rego": b"package main\n"},
        "main/extra.rego: not listed in the signature",
    ),
    "removed": (lambda: without("main/main_test.rego"), "main/main_test.rego: listed in the"),
    "no manifest": (lambda: without(".manifest"), ".manifest is missing"),
    "empty revision": (lambda: sign_raw(bundle_files()), "says revision ''"),
    "another revision": (lambda: sign_raw(bundle_files() | manifest(revision="7")), "revision '7'"),
    "policy outside the roots": (
        lambda: signed({"main/x.rego": b"# a comment\n\npackage other.x\n"}),
        "main/x.rego: package other.x is outside the manifest's roots",
    ),
    "data outside the roots": (
        lambda: signed(manifest(roots=["main", "data/pci"])),
        "data at data/class is outside",
    ),
    "overlapping roots": (lambda: signed(manifest(roots=["main", "data", "data/pci"])), "overlaps"),
    "data that breaks its schema": (
        lambda: signed({"schemas/x/schema.json": SCHEMA, "data/x/data.yaml": b"a: secret"}),
        "data/x/data.yaml: a: must satisfy type: integer",
    ),
    "a delta bundle": (lambda: signed({"patch.json": b'{"data": []}'}), "patch.json: OPA would"),
    "compiled policy": (lambda: signed({"policy.wasm": b""}), "policy.wasm: OPA would"),
    "a second manifest": (lambda: signed({"data/.manifest": b"{}"}), "data/.manifest: OPA would"),
    "a second signature": (
        lambda: signed({"main/.signatures.json": b"{}"}),
        "main/.signatures.json: OPA would",
    ),
    "hidden data": (lambda: signed({"main/data.yml": b"a: 1"}), "main/data.yml: OPA would"),
    "data in clear that must be sealed": (
        lambda: signed({"sealed/x/data.sops.yaml": b"a: secret"}),
        "sealed/x/data.sops.yaml: not sealed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_the_reason(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(BundleError) as refused:
        open_bundle(pack_archive(make()), KEYS)
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


def test_nothing_counts_without_a_configured_key() -> None:
    with pytest.raises(BundleError, match="wrong key"):
        open_bundle(ARCHIVE, [])
    with pytest.raises(BundleError, match="not by the configured key"):
        open_bundle(ARCHIVE, [BundleKey("author", OTHER_KEY.public_key())])


def test_truncated_is_refused_at_every_length() -> None:
    for length in range(0, len(ARCHIVE), 37):
        with pytest.raises(BundleError):
            open_bundle(ARCHIVE[:length], KEYS)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(0, len(ARCHIVE) - 1), st.integers(1, 255))
def test_a_changed_byte_of_the_archive_never_gives_another_bundle(place: int, flip: int) -> None:
    data = bytearray(ARCHIVE)
    data[place] ^= flip
    _same_or_refused(bytes(data))


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_a_changed_file_never_gives_another_bundle(path: str, data: st.DataObject) -> None:
    """Packed again by somebody with the tools: cut, overwritten, something put in."""
    content = FILES[path]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 8)))
    put = data.draw(st.binary(max_size=4) | st.sampled_from([b" ", b"\n", b"# x\n", b'"a":1,']))
    _same_or_refused(pack_archive(FILES | {path: content[:start] + put + content[end:]}))


def _same_or_refused(data: bytes) -> None:
    try:
        opened = open_bundle(data, KEYS)
    except BundleError:
        return
    assert opened.bundle == parse_bundle(bundle_files())
    assert opened.key_fingerprint == KEYS[0].fingerprint


def test_only_a_newer_version_may_follow() -> None:
    verify_newer(8, 7)
    for version in (7, 6, 1):
        with pytest.raises(BundleError, match=f"version {version} is not newer than 7"):
            verify_newer(version, 7)
