"""A bundle's own rules for a rollout: `data.validation.failures` over a step's measurements."""

import asyncio
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from gateway import canonical
from gateway.bundles.acceptance import restricted_capabilities
from gateway.bundles.folder import Bundle
from gateway.changes.engines import Engines
from gateway.errors import EngineError

SECONDS = 30.0
_QUESTION = "data.validation"
_MAX_FAILURES = 20  # with as many characters each they fit into one entry of the log
_MAX_WORDS = 500


class Validation(Protocol):
    """Asks a candidate's own rules. Raises GatewayError when they cannot be asked now."""

    async def failures(
        self, bundle_hash: str, measurements: Mapping[str, canonical.Value]
    ) -> list[str]:
        """What does not hold, as sentences; empty where the bundle has no such rules."""


class OpaValidation:
    """The Validation port: one `opa eval` over the candidate, in a private folder, bounded in time,
    without an environment and with the same built-ins as in the bundle's trial."""

    def __init__(self, engines: Engines, opa: Path) -> None:
        self._engines = engines
        self._opa = opa

    async def failures(
        self, bundle_hash: str, measurements: Mapping[str, canonical.Value]
    ) -> list[str]:
        """As Validation; raises EngineError, BundleError, StorageError."""
        live = await self._engines.ready(bundle_hash, is_candidate=True)
        return await asyncio.to_thread(self._ask, live.bundle, canonical.encode({**measurements}))

    def _ask(self, bundle: Bundle, question: bytes) -> list[str]:
        with tempfile.TemporaryDirectory(prefix="validation-") as private:
            folder = Path(private)
            (folder / "bundle.tar.gz").write_bytes(bundle.archive)
            (folder / "capabilities.json").write_bytes(restricted_capabilities(bundle.files))
            answer = self._run(folder, question)
        if answer.returncode != 0:
            words = (answer.stderr.strip() or answer.stdout.strip()).decode(errors="replace")
            return [_printable(f"{_QUESTION} cannot be evaluated: {words}")]
        return read_failures(answer.stdout)

    def _run(self, folder: Path, question: bytes) -> subprocess.CompletedProcess[bytes]:
        flags = ["--bundle=bundle.tar.gz", "--capabilities=capabilities.json", "--format=json"]
        flags += ["--stdin-input", "--strict-builtin-errors"]
        try:
            return subprocess.run(  # noqa: S603 (the program is the operator's, the words are ours)
                [self._opa.absolute(), "eval", *flags, _QUESTION],
                cwd=folder,
                env={"HOME": str(folder), "GOMEMLIMIT": "512MiB"},
                input=question,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EngineError(f"{_QUESTION} took longer than {SECONDS:g} s") from None
        except OSError as error:
            raise EngineError(f"{self._opa} cannot be run: {error.strerror}") from None


def read_failures(output: bytes) -> list[str]:
    """The sentences in `opa eval`'s answer. Rules that are there and do not answer as agreed are a
    failure themselves."""
    try:
        value: Any = json.loads(output)
        if value == {}:  # the bundle has no package of this name
            return []
        package = value["result"][0]["expressions"][0]["value"]
        found = package["failures"]
    except (ValueError, RecursionError, KeyError, IndexError, TypeError):
        return [f"{_QUESTION}.failures is undefined"]
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        return [f"{_QUESTION}.failures must be a list of sentences"]
    return [_printable(item) for item in found[:_MAX_FAILURES]]


def _printable(sentence: str) -> str:
    """The bundle wrote it: nothing of it may keep the halt out of the log or steer a terminal."""
    words = "".join(c if c.isprintable() else " " for c in sentence[:_MAX_WORDS])
    return words.encode(errors="replace").decode()
