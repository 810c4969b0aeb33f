"""A bundle keeps to its roots as OPA counts them: by whole steps of a path."""

from typing import Any

import pytest

from gateway.bundles.roots import read_package, verify_roots
from gateway.errors import BundleError


@pytest.mark.parametrize(
    ("roots", "policy", "data"),
    [
        (["main", "data"], b"package main.a.b\n", {"data": {"a": 1}}),
        (["/main/", "data/a/b"], b"# x\n\n  # y\npackage main # z\n", {"data": {"a": {"b": 1}}}),
        (["main", "mains"], b"\n\npackage mains.x\r\n", {}),
    ],
)
def test_what_is_inside_passes(roots: list[str], policy: bytes, data: dict[str, Any]) -> None:
    verify_roots(roots, {"a.rego": policy}, data)


@pytest.mark.parametrize(
    ("roots", "policy", "data", "message"),
    [
        (["main"], b"package mainly\n", {}, "a.rego: package mainly is outside"),
        (["main/a"], b"package main\n", {}, "package main is outside"),
        (["main", "main"], b"package main\n", {}, "overlaps"),
        (["main", "main/a"], b"package main\n", {}, "overlaps"),
        (["main"], b"package main\n", {"data": {"a": 1}}, "data at data is outside"),
        (["main", "data/a"], b"package main\n", {"data": {"b": 1}}, "data at data/b is outside"),
        (["main", "data/a"], b"package main\n", {"data": 1}, "data at data is outside"),
    ],
)
def test_what_is_outside_is_named(
    roots: list[str], policy: bytes, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        verify_roots(roots, {"a.rego": policy}, data)


@pytest.mark.parametrize(
    "policy",
    [b"", b"# alone\n", b'package main["a"]\n', b"package\nmain\n", b"import x\n", b"\xff",
     b"package main; x := 1\n", b"package main import x\n"],
)  # fmt: skip
def test_a_package_that_is_not_plain_is_refused(policy: bytes) -> None:
    with pytest.raises(BundleError, match=r"a\.rego"):
        read_package("a.rego", policy)
