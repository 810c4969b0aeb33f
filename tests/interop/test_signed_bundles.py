"""The real OPA and the gateway agree on who signed what."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.bundles.archive import pack_archive, read_archive
from gateway.bundles.build import build_bundle
from gateway.bundles.digests import digest_file
from gateway.bundles.files import read_files
from gateway.bundles.folder import read_bundle
from gateway.bundles.jws import split_token
from gateway.bundles.keys import BundleKey
from gateway.bundles.limits import DEFAULT_LIMITS
from gateway.bundles.signatures import SCOPE
from gateway.bundles.signed import open_bundle
from gateway.errors import BundleError
from tests.fakes.bundles import AUTHOR_KEY, KEYS, OTHER_KEY
from tests.interop.programs import POLICIES, part, run, said

PEM = Encoding.PEM
# What differs between YAML, JSON, Go and Python when a value is written again.
ODD_DATA = {
    ".manifest": b'{"roots": ["data"], "metadata": {"version": 1, "z": [1.0, -0, 1E5, 1e-9]}}',
    "data/a/data.json": b'{"n": [1.0, 100, -0, 1E5, 0.10, 12345678901234567890123, 1e400]}',
    "data/b/data.json": b'{"<&>\'": "\\u0000\\u001f\\u007f\\u2028\\u2029\\b\\f\\n\\r\\t\\"\\\\/"}',
    "data/c/data.json": '{"é": 1, "e": 2, "😀": 3, "\ufffd": 4, "\u2028": "x"}'.encode(),
    "data/d/data.yaml": b"n: [1, 1.0, 250.0, 0.1, -2.50, 1e21, 1e20, 1.5e-7, 0.000001, 123456.5]\n",
    "data/e/data.yaml": b"n: [18446744073709551615, -9223372036854775808, 18446744073709551616]\n",
    "data/f/data.yaml": b"n: [0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.30000000000000004]\n",
    "data/g/data.yaml": "t: [a, 'on', \"12:30\", 2026-01-02, ~, é, \"\\u2028\", '<&>']\n".encode(),
    "data/h/data.yaml": b'{"n": [1.0, 2]}',
    "data/i/data.yaml": b"a: &x {b: 1}\nc: *x\nd: |\n  text\n  more\ne: >-\n  folded\n  text\n",
    "data/j/data.yaml": b"# nothing but a comment\n{}\n",
    "schemas/a/schema.json": b'{ "a":   1 }',
    "notes/some.yaml": b"a:   1",
}


def load(archive: bytes, key: ec.EllipticCurvePrivateKey, folder: Path) -> str | None:
    """What the real OPA says against a signed bundle; None when it loads it."""
    public = folder / "public.pem"
    public.write_bytes(key.public_key().public_bytes(PEM, PublicFormat.SubjectPublicKeyInfo))
    bundle = folder / "bundle.tar.gz"
    bundle.write_bytes(archive)
    done = run(
        part("opa"),
        *("build", "--bundle", bundle, "--output", folder / "loaded.tar.gz"),
        *("--verification-key", public, "--signing-alg", "ES256", "--scope", SCOPE),
    )
    return said(done) if done.returncode else None


def sign(files: Mapping[str, bytes], key: ec.EllipticCurvePrivateKey, folder: Path) -> bytes:
    """What `opa sign` makes of an archive of the files, with the claims in `claims.json`."""
    (folder / "unsigned.tar.gz").write_bytes(pack_archive(files))
    done = run(
        part("opa"),
        *("sign", "--bundle", folder / "unsigned.tar.gz", "--output-file-path", folder),
        *signing_flags(key, folder),
    )
    assert done.returncode == 0, said(done)
    return (folder / ".signatures.json").read_bytes()


def signing_flags(key: ec.EllipticCurvePrivateKey, folder: Path) -> list[str | Path]:
    pem = key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    key_and_claims = ("--signing-key", folder / "key.pem", "--claims-file", folder / "claims.json")
    return ["--signing-alg", "ES256", *key_and_claims]


def test_opa_loads_what_we_build(tmp_path: Path) -> None:
    archive = build_bundle(POLICIES, AUTHOR_KEY, "author")
    assert load(archive, AUTHOR_KEY, tmp_path) is None


def test_opa_refuses_another_key_and_a_change(tmp_path: Path) -> None:
    archive = build_bundle(POLICIES, AUTHOR_KEY, "author")
    wrong_key = load(archive, OTHER_KEY, tmp_path)
    assert wrong_key is not None
    assert "verify" in wrong_key
    files = read_archive(archive)
    for path, change in (("main/main.rego", b"\n"), ("data/pci/data.yaml", b"more: 1\n")):
        refused = load(pack_archive(files | {path: files[path] + change}), AUTHOR_KEY, tmp_path)
        assert refused is not None
        assert f"{path}: digest mismatch" in refused
    unlisted = load(pack_archive(files | {"main/x.rego": b"package main\n"}), AUTHOR_KEY, tmp_path)
    assert unlisted is not None
    assert "main/x.rego not included in bundle signature" in unlisted


def test_the_revision_is_what_opa_reads_in_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_bytes(build_bundle(POLICIES, AUTHOR_KEY, "author"))
    done = run(part("opa"), "inspect", "--format", "json", tmp_path / "b.tar.gz")
    manifest = json.loads(done.stdout)["manifest"]
    assert manifest["revision"] == read_bundle(POLICIES).revision


def test_our_digests_are_those_of_opa(tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text("{}")
    for files in (ODD_DATA, read_files(POLICIES, DEFAULT_LIMITS)):
        (token,) = json.loads(sign(files, AUTHOR_KEY, tmp_path))["signatures"]
        theirs = {row["name"]: row["hash"] for row in split_token(token).payload["files"]}
        assert {path: digest_file(path, content) for path, content in files.items()} == theirs


def test_we_open_what_opa_signs(tmp_path: Path) -> None:
    """`opa sign` knows neither our revision nor our hash: an author gives it both."""
    bundle = read_bundle(POLICIES)
    unsigned = read_archive(build_bundle(POLICIES, AUTHOR_KEY, "author"))
    del unsigned[".signatures.json"]
    claims = {"keyid": "author", "scope": SCOPE, "bundle": bundle.hash}
    (tmp_path / "claims.json").write_text(json.dumps(claims))
    signature = sign(unsigned, AUTHOR_KEY, tmp_path)
    opened = open_bundle(pack_archive(unsigned | {".signatures.json": signature}), KEYS)
    assert opened.bundle == bundle
    signature = sign(unsigned, OTHER_KEY, tmp_path)
    with pytest.raises(BundleError, match="not by the configured key"):
        open_bundle(pack_archive(unsigned | {".signatures.json": signature}), KEYS)


def test_what_opa_builds_itself_is_another_layout(tmp_path: Path) -> None:
    """`opa build` merges all data into one /data.json and leaves schemas out, so its archive is not
    the author's folder any more. The signature holds; the content is refused, with the reason."""
    claims = {"keyid": "default", "scope": SCOPE, "bundle": read_bundle(POLICIES).hash}
    (tmp_path / "claims.json").write_text(json.dumps(claims))
    built = tmp_path / "built.tar.gz"
    flags = signing_flags(AUTHOR_KEY, tmp_path)
    done = run(part("opa"), "build", "--bundle", ".", "--output", built, *flags, cwd=POLICIES)
    assert done.returncode == 0, said(done)
    key = BundleKey("default", AUTHOR_KEY.public_key())  # the name that `opa build` gives
    with pytest.raises(BundleError, match=r"^data\.json: data files stand below data/"):
        open_bundle(built.read_bytes(), [key])
