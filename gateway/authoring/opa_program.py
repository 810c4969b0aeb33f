"""The real OPA program over one bundle, as authors' commands run it.

As in `gateway.bundles.acceptance` nothing of the bundle is trusted: OPA runs without an
environment, in a private folder, for a bounded time, and without the denied built-ins.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.bundles.acceptance import CAPABILITIES, restricted_capabilities
from gateway.errors import BundleError

_MAX_WORDS = 4_000


@dataclass(frozen=True, slots=True)
class OpaAnswer:
    """What one run printed, and its exit status."""

    status: int
    stdout: bytes
    stderr: bytes

    def value(self) -> Any:
        """Standard output as JSON; None when it is no JSON."""
        try:
            return json.loads(self.stdout)
        except (ValueError, RecursionError):
            return None

    def words(self) -> str:
        """What OPA says, in its own words."""
        text = (self.stderr.strip() or self.stdout.strip()).decode(errors="replace")
        return text[:_MAX_WORDS] or f"exit status {self.status}, without a word"


@dataclass(frozen=True, slots=True)
class OpaProgram:
    """Runs of one OPA program in `folder`, where the files it reads lie."""

    program: Path
    folder: Path
    capabilities: Path

    def run(self, arguments: list[str], seconds: float, stdin: bytes = b"") -> OpaAnswer:
        """Run `opa …` to its end; raises BundleError when it cannot be run or takes too long."""
        command, *rest = arguments
        # `opa inspect` and `opa parse` run nothing, and take no list of built-ins.
        bound = [] if command in ("inspect", "parse") else [f"--capabilities={self.capabilities}"]
        words = [str(self.program), command, *bound, *rest]
        try:
            done = subprocess.run(  # noqa: S603 (the program is the author's, the words are ours)
                words,
                cwd=self.folder,
                env={"HOME": str(self.folder), "GOMEMLIMIT": "512MiB"},
                input=stdin,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BundleError(
                f"opa {command} took longer than {seconds:g} s; make the policies cheaper"
            ) from None
        except OSError as error:
            raise BundleError(
                f"{self.program} cannot be run: {error.strerror}; name OPA with --opa"
            ) from None
        return OpaAnswer(done.returncode, done.stdout, done.stderr)


@contextmanager
def open_program(
    opa: Path, files: Mapping[str, bytes], bundle: Mapping[str, bytes]
) -> Iterator[OpaProgram]:
    """OPA over a private copy of `files`; `bundle` are the files whose capabilities bind it.

    Raises BundleError for a path that leaves the folder and for bad capabilities."""
    with tempfile.TemporaryDirectory(prefix="authoring-") as private:
        folder = Path(private) / "bundle"
        folder.mkdir()
        for path, content in files.items():
            # Paths were checked when the bundle was read; check again where they become files.
            if ".." in path.split("/") or path.startswith("/"):
                raise BundleError(f"{path}: leaves the bundle")
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        capabilities = Path(private) / CAPABILITIES
        capabilities.write_bytes(restricted_capabilities(bundle))
        yield OpaProgram(opa.absolute(), folder, capabilities)
