"""Digests are those of OPA's signatures; tests/interop holds them against the real OPA."""

import hashlib

import pytest

from gateway.bundles.digests import digest_file
from gateway.errors import BundleError


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("path", ["main/main.rego", "schemas/a/schema.json", "x/some.yaml", "data"])
def test_unstructured_files_are_hashed_as_they_are(path: str) -> None:
    assert digest_file(path, b"\xff a : 1") == hashlib.sha256(b"\xff a : 1").hexdigest()


@pytest.mark.parametrize(
    ("path", "content", "walked"),
    [
        (".manifest", b' {"b": [1, 2],\n "a": null} ', '{"a":null,"b":[1,2]}'),
        ("data/data.json", b'{"n": 1.0, "m": -0, "l": 1E5}', '{"l":1E5,"m":-0,"n":1.0}'),
        ("data/data.yaml", b'{"n": 1.0}', '{"n":1.0}'),
        ("data/data.yaml", b"n: 1.0", '{"n":1}'),
        ("data/data.yaml", b"n: 0.1\nm: -2.50", '{"m":-2.5,"n":0.1}'),
        ("data/data.yaml", b"n: 1e21\nm: 1e20", '{"m":100000000000000000000,"n":1e+21}'),
        ("data/data.yaml", b"n: 0.000001\nm: 0.00000015", '{"m":1.5e-7,"n":0.000001}'),
        ("data/data.yaml", b"n: 18446744073709551615", '{"n":18446744073709551615}'),
        ("data/data.yaml", b"n: 18446744073709551616", '{"n":18446744073709552000}'),
        ("data/data.json", b'{"<&>": "\\u0001\\u2028\\u007f\\b"}',
         '{"<&>":"\\u0001\\u2028\x7f\\b"}'),
        ("data/data.json", '{"é": 1, "e": 2, "😀": 3, "\ufffd": 4}'.encode(),
         '{"e":2,"é":1,"\ufffd":4,"😀":3}'),
        ("data/data.yaml", b"a: [true, ~, yes-man, {}, []]", '{"a":[true,null,"yes-man",{},[]]}'),
    ],
)  # fmt: skip
def test_structured_files_are_hashed_by_their_value(path: str, content: bytes, walked: str) -> None:
    assert digest_file(path, content) == sha256(walked)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("data/data.json", b'{"a": 1, "a": 2}'),
        ("data/data.json", b"{"),
        ("data/data.json", b'"\\ud800"'),
        ("data/data.json", b"[" * 200 + b"]" * 200),
        ("data/data.json", b"[" * 200_000),
        ("data/data.json", b"NaN"),
        ("data/data.yaml", b"a: 1\na: 2"),
        ("data/data.yaml", b"\xff"),
        (".manifest", b"a: 1"),
    ],
)
def test_what_two_readers_may_read_differently_is_refused(path: str, content: bytes) -> None:
    with pytest.raises(BundleError, match=path):
        digest_file(path, content)
