"""The real programs beside the product, as the tests of this folder run them."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / ".parts" / "bin"
POLICIES = ROOT / "policies"
TIMEOUT_SECONDS = 100.0


def part(name: str) -> Path:
    """A program that `make interop` has built; fails the test when it is not there."""
    path = PARTS / name
    assert path.exists(), f"no {path}: run `make interop`, or `python3 deploy/parts.py {name}`"
    return path


def find(name: str) -> Path | None:
    """A program of the machine's own, or None."""
    found = shutil.which(name)
    return None if found is None else Path(found)


def run(
    program: Path,
    *arguments: str | Path,
    stdin: bytes = b"",
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; the caller looks at `returncode`."""
    return subprocess.run(
        [str(program), *map(str, arguments)],
        input=stdin,
        cwd=cwd,
        env=environment,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """Everything that a program printed."""
    return (done.stdout + done.stderr).decode(errors="replace")
