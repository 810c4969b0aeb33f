"""A bundle is asked nothing before OPA's own check and the bundle's own tests have passed."""

import json
import subprocess
from pathlib import Path

import pytest

from gateway.bundles import acceptance
from gateway.bundles.acceptance import accept, first_difference, is_denied
from gateway.bundles.folder import parse_bundle
from gateway.errors import BundleError
from tests.fakes.bundles import MISCHIEF, bundle_files, real_opa

pytestmark = pytest.mark.opa


@pytest.fixture(scope="module")
def everything() -> bytes:
    """OPA's full list of capabilities: a bundle that allows itself all of it."""
    command = [str(real_opa()), "capabilities", "--current"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def judge(everything: bytes, **files: bytes) -> None:
    named = {name.replace("__", "/") + ".rego": content for name, content in files.items()}
    accept(parse_bundle(bundle_files() | {"capabilities.json": everything} | named), real_opa())


def test_a_good_bundle_is_accepted(everything: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    opa = real_opa()
    monkeypatch.chdir(opa.parent)
    accept(parse_bundle(bundle_files() | {"capabilities.json": everything}), Path(opa.name))


@pytest.mark.parametrize(
    "call",
    [
        'http.send({"method": "get", "url": "http://127.0.0.1"})',
        "opa.runtime()",
        "time.now_ns()",
        'rand.intn("a", 5)',
        'uuid.rfc4122("a")',
        'net.lookup_ip_addr("localhost")',
        'io.jwt.decode_verify("a", {})',
    ],
)
def test_a_denied_builtin_is_unknown_whatever_the_bundle_allows(
    everything: bytes, call: str
) -> None:
    name = call.partition("(")[0]
    with pytest.raises(BundleError, match=f"opa check: .*undefined function {name}"):
        judge(everything, main__more=f"package main\n\nmore := {call}\n".encode())


def test_strict_mode_counts(everything: bytes) -> None:
    with pytest.raises(BundleError, match=r"(?s)opa check: .*unused"):
        judge(everything, main__more=b"package main\n\nmore if {\n\tunused := 1\n}\n")


def test_a_failing_test_is_named(everything: bytes) -> None:
    with pytest.raises(BundleError, match=r"failed: data\.main\.more_test\.test_fails"):
        judge(everything, main__more_test=b"package main.more_test\n\ntest_fails if false\n")


def test_no_tests_is_no_acceptance(everything: bytes) -> None:
    with pytest.raises(BundleError, match="not one test"):
        judge(everything, main__main_test=b"package main.main_test\n")


def test_a_skipped_test_is_none(everything: bytes) -> None:
    with pytest.raises(BundleError, match=r"main_test\.todo_test_later \(skipped\)"):
        judge(everything, main__main_test=b"package main.main_test\n\ntodo_test_later if true\n")


def test_capabilities_are_required() -> None:
    with pytest.raises(BundleError, match=r"capabilities\.json is missing"):
        accept(parse_bundle(bundle_files()), real_opa())


@pytest.mark.parametrize("value", [[], {}, {"builtins": [1]}])
def test_capabilities_of_another_shape_are_refused(value: object) -> None:
    files = bundle_files() | {"capabilities.json": json.dumps(value).encode()}
    with pytest.raises(BundleError, match="builtins must list objects"):
        accept(parse_bundle(files), real_opa())


def test_data_that_opa_reads_differently_is_refused(everything: bytes) -> None:
    files = bundle_files() | {
        "capabilities.json": everything,
        "data/more/data.yaml": b"a: 1\nrows:\n  - {mode: 0777}\n",
    }
    with pytest.raises(BundleError, match=r"data\.more\.rows\[0\]\.mode: OPA reads"):
        accept(parse_bundle(files), real_opa())


def test_time_is_limited(everything: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "CHECK_SECONDS", 0.001)
    with pytest.raises(BundleError, match=r"opa check took longer than 0\.001 s"):
        judge(everything)


def test_an_absent_opa_is_named(everything: bytes, tmp_path: Path) -> None:
    files = bundle_files(MISCHIEF) | {"capabilities.json": everything}
    with pytest.raises(BundleError, match="cannot be run: No such file"):
        accept(parse_bundle(files), tmp_path / "opa")


def test_first_difference_tells_kinds_apart() -> None:
    assert first_difference({"a": [1, 2.0]}, {"a": [1.0, 2]}, "data") is None
    assert first_difference({"a": True}, {"a": 1}, "data") == "data.a"
    assert first_difference({"a": "1"}, {"a": 1}, "data") == "data.a"
    assert first_difference({"a": [1]}, {"a": [1, 2]}, "data") == "data.a"
    assert first_difference({"a": 1}, {"a": 1, "b": 2}, "data") == "data.b"


def test_harmless_builtins_are_allowed() -> None:
    assert not any(map(is_denied, ("net.cidr_contains", "time.parse_rfc3339_ns", "sprintf")))
