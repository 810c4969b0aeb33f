import asyncio
import json
from pathlib import Path

import pytest

from gateway import canonical
from gateway.bundles.folder import parse_bundle
from gateway.changes.engines import Engines, Makers
from gateway.changes.validation import OpaValidation, read_failures
from gateway.engine.port import Engine
from gateway.errors import EngineError
from tests.fakes.bundles import bundle_files, real_opa
from tests.fakes.changes import MemoryStore
from tests.fakes.engine import FakeEngine

RULES = b"""\
package validation

failures := [sprintf("evaluated: %d are too few", [input.evaluated]) | input.evaluated < 10]
"""
ODD = b"""\
package validation

failures := to_number(input.region)
"""


@pytest.mark.parametrize(
    ("output", "failures"),
    [
        (b"{}", []),
        (b'{"result":[{"expressions":[{"value":{"failures":[]}}]}]}', []),
        (b'{"result":[{"expressions":[{"value":{"failures":["a","b"]}}]}]}', ["a", "b"]),
        (b'{"result":[{"expressions":[{"value":{}}]}]}', ["data.validation.failures is undefined"]),
        (b'{"result":[]}', ["data.validation.failures is undefined"]),
        (b"", ["data.validation.failures is undefined"]),
        (b"null", ["data.validation.failures is undefined"]),
        (
            b'{"result":[{"expressions":[{"value":{"failures":"a"}}]}]}',
            ["data.validation.failures must be a list of sentences"],
        ),
        (
            b'{"result":[{"expressions":[{"value":{"failures":[false]}}]}]}',
            ["data.validation.failures must be a list of sentences"],
        ),
    ],
)
def test_only_an_empty_list_or_no_rules_at_all_is_no_failure(
    output: bytes, failures: list[str]
) -> None:
    assert read_failures(output) == failures


def test_what_a_bundle_says_fits_into_an_entry_whatever_it_is() -> None:
    sentences = ["\U0001f4a3\x00\ud800\x1b[2J" * 1_000] * 1_000
    answer = {"result": [{"expressions": [{"value": {"failures": sentences}}]}]}
    found = read_failures(json.dumps(answer).encode())
    assert len(canonical.encode([*found])) < 48_000
    assert all(sentence.isprintable() for sentence in found)


def ask(rules: bytes | None, evaluated: int, opa: Path | None = None) -> list[str]:
    """What the rules of a small bundle say."""
    files = bundle_files()
    if rules is not None:
        files["validation/validation.rego"] = rules
        files[".manifest"] = files[".manifest"].replace(b'"main",', b'"main", "validation",')
    files["capabilities.json"] = _capabilities()
    bundle = parse_bundle(files)
    store = MemoryStore()
    store.put(bundle.hash, b"archive")

    async def make(_bundle: object) -> Engine:
        return FakeEngine()

    async def run() -> list[str]:
        engines = Engines(store, lambda archive: bundle, Makers(make, make))
        validation = OpaValidation(engines, opa or real_opa())
        try:
            return await validation.failures(
                bundle.hash, {"evaluated": evaluated, "region": "eu-west-1"}
            )
        finally:
            await engines.aclose()

    return asyncio.run(run())


def _capabilities() -> bytes:
    path = Path(__file__).parents[3] / "policies" / "capabilities.json"
    return path.read_bytes()


@pytest.mark.opa
def test_the_rules_of_the_bundle_are_asked() -> None:
    assert ask(RULES, 9) == ["evaluated: 9 are too few"]
    assert ask(RULES, 10) == []


@pytest.mark.opa
def test_a_bundle_without_rules_has_no_failures() -> None:
    assert ask(None, 0) == []


@pytest.mark.opa
def test_rules_that_cannot_be_evaluated_fail() -> None:
    [failure] = ask(ODD, 0)
    assert failure.startswith("data.validation cannot be evaluated: ")
    assert "to_number" in failure


def test_an_opa_that_is_not_there_is_no_verdict() -> None:
    with pytest.raises(EngineError, match="cannot be run"):
        ask(RULES, 0, Path("/nonexistent/opa"))
