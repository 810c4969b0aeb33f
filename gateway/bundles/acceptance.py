"""A bundle's trial before it may be asked anything: OPA's strict check, its own tests, its data.

What OPA says is passed on in its own words. Nothing of the bundle is trusted: OPA runs without an
environment, in a private folder, for a bounded time, and may not use a denied built-in even if the
bundle's own list of capabilities allows it.
"""

import fnmatch
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.bundles.documents import parse_json
from gateway.bundles.folder import Bundle
from gateway.errors import BundleError

CAPABILITIES = "capabilities.json"
# The clock, chance, the network and the machine: a verdict must replay from its inputs alone (P9).
# Two of these read the clock on the side, to judge a certificate's or a token's validity.
DENIED_BUILTINS = (
    "crypto.x509.parse_and_verify_certificates*",
    "http.send",
    "io.jwt.decode_verify",
    "net.lookup_ip_addr",
    "opa.runtime",
    "rand.*",
    "time.now_ns",
    "uuid.*",
)
CHECK_SECONDS = 30.0
TEST_SECONDS = 120.0
_MAX_WORDS = 4_000


class TrialError(BundleError):
    """The bundle was tried and does not pass."""


def accept(bundle: Bundle, opa: Path) -> None:
    """Raises TrialError with OPA's own words unless the bundle passes, and BundleError where it
    cannot be tried. Takes seconds: call it
    outside an event loop."""
    with tempfile.TemporaryDirectory(prefix="bundle-") as private:
        folder = Path(private) / "bundle"
        _write(bundle.files, folder)
        capabilities = Path(private) / CAPABILITIES
        capabilities.write_bytes(restricted_capabilities(bundle.files))
        run = _Opa(opa, folder, capabilities)
        run.check()
        run.compare_data(bundle.data)
        run.test()


def restricted_capabilities(files: Mapping[str, bytes]) -> bytes:
    """The bundle's own capabilities less every denied built-in, and without network hosts."""
    if CAPABILITIES not in files:
        raise BundleError(
            f"{CAPABILITIES} is missing; it lists the built-ins that policies may use "
            "(opa capabilities --current prints the full list)"
        )
    value = parse_json(CAPABILITIES, files[CAPABILITIES])
    builtins = value.get("builtins") if isinstance(value, dict) else None
    if not isinstance(builtins, list) or not all(isinstance(item, dict) for item in builtins):
        raise BundleError(f"{CAPABILITIES}: builtins must list objects")
    allowed = [item for item in builtins if not is_denied(str(item.get("name")))]
    return json.dumps({**value, "builtins": allowed, "allow_net": []}).encode()


def is_denied(builtin: str) -> bool:
    """Whether no policy may use the built-in, whatever its bundle says."""
    return any(fnmatch.fnmatchcase(builtin, pattern) for pattern in DENIED_BUILTINS)


class _Opa:
    """Runs of one OPA program over one unpacked bundle."""

    def __init__(self, program: Path, folder: Path, capabilities: Path) -> None:
        self._program = program.absolute()  # it runs in the folder of the bundle
        self._folder = folder
        self._capabilities = f"--capabilities={capabilities}"

    def check(self) -> None:
        flags = ["--strict", self._capabilities, "--bundle"]
        answer = self._run(["check", *flags, "."], CHECK_SECONDS)
        if answer.returncode != 0:
            raise TrialError(f"opa check: {_words(answer)}")

    def test(self) -> None:
        flags = ["--bundle", "--format=json", "--timeout=10s", self._capabilities]
        answer = self._run(["test", *flags, "."], TEST_SECONDS)
        results = _decode(answer.stdout)
        if answer.returncode != 0 or not isinstance(results, list):
            raise TrialError(f"opa test: {_failures(results) or _words(answer)}")
        if not results:
            raise TrialError("opa test: there is not one test; every rule needs one beside it")

    def compare_data(self, data: Mapping[str, Any]) -> None:
        """The floor is made from our reading of the data and the policies run on OPA's, so a value
        that YAML 1.1 and 1.2 read differently (`on`, `12:30`) is refused."""
        flags = ["--bundle", ".", "--format=json", self._capabilities]
        answer = self._run(["eval", *flags, "data.data"], CHECK_SECONDS)
        if answer.returncode != 0:
            raise BundleError(f"opa eval: {_words(answer)}")
        try:
            found = _decode(answer.stdout)["result"][0]["expressions"][0]["value"]
        except (TypeError, KeyError, IndexError):
            found = {}
        place = first_difference(data.get("data", {}), found, "data")
        if place is not None:
            raise TrialError(f"{place}: OPA reads this value differently; write it in quotes")

    def _run(self, arguments: list[str], seconds: float) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603 (the program is the operator's, the words are ours)
                [self._program, *arguments],
                cwd=self._folder,
                env={"HOME": str(self._folder), "GOMEMLIMIT": "512MiB"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BundleError(
                f"opa {arguments[0]} took longer than {seconds:g} s; make the policies cheaper"
            ) from None
        except OSError as error:
            raise BundleError(f"{self._program} cannot be run: {error.strerror}") from None


def first_difference(ours: Any, theirs: Any, place: str) -> str | None:
    """The path of the first value that differs in value or kind; None when all agree."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            below = f"{place}.{name}"
            if name not in ours or name not in theirs:
                return below
            if (found := first_difference(ours[name], theirs[name], below)) is not None:
                return found
        return None
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for position, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            if (found := first_difference(one, other, f"{place}[{position}]")) is not None:
                return found
        return None
    numbers = {int, float}
    if type(ours) is not type(theirs) and {type(ours), type(theirs)} != numbers:
        return place
    return None if ours == theirs else place


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir()
    for path, content in files.items():
        # Paths were checked when the bundle was read; check again where they become files.
        if ".." in path.split("/") or path.startswith("/"):
            raise BundleError(f"{path}: leaves the bundle")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _decode(output: bytes) -> Any:
    try:
        return json.loads(output)
    except (ValueError, RecursionError):
        return None


def _failures(results: Any) -> str:
    """The names of failed and skipped tests, as OPA gives them."""
    if not isinstance(results, list):
        return ""
    failed = [
        f"{result.get('package')}.{result.get('name')}" + " (skipped)" * bool(result.get("skip"))
        for result in results
        if isinstance(result, dict) and any(map(result.get, ("fail", "error", "skip")))
    ]
    return f"failed: {', '.join(failed)}"[:_MAX_WORDS] if failed else ""


def _words(answer: subprocess.CompletedProcess[bytes]) -> str:
    text = (answer.stderr.strip() or answer.stdout.strip()).decode(errors="replace")
    return text[:_MAX_WORDS] or f"exit status {answer.returncode}, without a word"
