"""What must be sealed is sealed, or the bundle is refused without a word of what it says."""

import pytest

from gateway.bundles.folder import parse_bundle
from gateway.errors import BundleError
from tests.fakes.bundles import bundle_files

PATH = "sealed/patterns/data.sops.yaml"
SEALED = b"""\
#ENC[AES256_GCM,data:Y29tbWVudA==,iv:aXY=,tag:dGFn,type:comment]
never_filter:
    - glob: ENC[AES256_GCM,data:c2VjcmV0,iv:aXY=,tag:dGFn,type:str]
      level: ENC[AES256_GCM,data:MQ==,iv:aXY=,tag:dGFn,type:int]
      note: ""
      owner: null
sops:
    age:
        - recipient: age1example
          enc: |
            -----BEGIN AGE ENCRYPTED FILE-----
            YWdl
            -----END AGE ENCRYPTED FILE-----
    lastmodified: "2026-01-02T03:04:05Z"
    mac: ENC[AES256_GCM,data:bWFj,iv:aXY=,tag:dGFn,type:str]
    version: 3.11.0
"""
GLOB = b"ENC[AES256_GCM,data:c2VjcmV0,iv:aXY=,tag:dGFn,type:str]"


def manifest(sealed: object) -> dict[str, bytes]:
    text = bundle_files()[".manifest"].decode()
    return {".manifest": text.replace('"version": 1', f'"version": 1, "sealed": {sealed}').encode()}


def test_sealed_data_is_hashed_sealed_and_not_given_to_the_policies() -> None:
    plain = parse_bundle(bundle_files())
    bundle = parse_bundle(bundle_files() | {PATH: SEALED})
    again = parse_bundle(bundle_files() | {PATH: SEALED.replace(b"c2VjcmV0", b"c2VjcmV1")})
    assert len({plain.hash, bundle.hash, again.hash}) == 3
    assert bundle.data == plain.data
    assert bundle.files[PATH] == SEALED


def test_the_manifest_may_name_it() -> None:
    parse_bundle(bundle_files() | {PATH: SEALED} | manifest(f'["{PATH}"]'))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({PATH: b"glob: secret\n"}, f"{PATH}: not sealed"),
        ({PATH: b"- secret\n"}, f"{PATH}: not sealed"),
        ({PATH: b"glob: secret\nsops: {mac: secret}\n"}, f"{PATH}: not sealed"),
        ({PATH: SEALED.replace(GLOB, b"secret")}, r"never_filter\[0\]\.glob stands in clear"),
        ({PATH: SEALED.replace(GLOB, GLOB + b"secret")}, "stands in clear"),
        ({PATH: SEALED.replace(GLOB, b"7")}, "stands in clear"),
        ({PATH: SEALED.replace(GLOB, b"false")}, "stands in clear"),
        ({PATH: SEALED + b"# secret\n"}, "a comment stands in clear"),
        ({PATH: SEALED.replace(b"age:", b"none:")}, "names no key"),
        ({PATH: b"\xff"}, "not UTF-8"),
        ({PATH: b"a: [secret"}, PATH),
        ({"data/x/data.sops.yaml": SEALED}, "data/x/data.sops.yaml: sealed data, and nothing"),
        ({"sealed/x/data.yaml": b"a: secret"}, "sealed/x/data.yaml: sealed data, and nothing"),
        ({"sealed/x.rego": b"package sealed\n"}, "sealed/x.rego: sealed data, and nothing"),
        (manifest(f'["{PATH}"]'), f"{PATH}: .*but it is missing"),
        (manifest('["data/data.yaml"]'), "data/data.yaml: .*given it in clear; seal it with"),
        (manifest('"all"'), "metadata.sealed must list"),
        (
            {".manifest": bundle_files()[".manifest"].replace(b'"main"', b'"main", "sealed/x"')},
            "nor sealed",
        ),
    ],
)
def test_what_is_not_sealed_is_refused(files: dict[str, bytes], message: str) -> None:
    with pytest.raises(BundleError, match=message) as refused:
        parse_bundle(bundle_files() | files)
    assert "secret" not in str(refused.value)
