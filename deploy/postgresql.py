"""Find PostgreSQL's programs, or fetch Debian's packages of them, and link them into `.parts/bin`.

    python3 deploy/postgresql.py [pgbouncer]

Nothing is installed: packages that the machine lacks are unpacked into the cache folder (root's:
/var/cache, since PostgreSQL refuses to run as root and another user must reach it) and run from
there with the libraries that came along. apt checks their signatures.

Exit status: 0 ready, 2 could not (one sentence on standard error says why).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from parts import ROOT, PartError, cache_folder, only_one, say

OLDEST = 13  # statement_timeout counts each command of a message from here on
SERVER_PROGRAMS = ("initdb", "postgres", "pg_ctl", "psql", "pg_dump", "pg_restore")
PACKAGED = Path("usr/lib/postgresql")
TIMEOUT_SECONDS = 900


def main(arguments: list[str]) -> int:
    """Make the server's programs ready, or pgbouncer."""
    if arguments not in ([], ["pgbouncer"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if arguments:
            link({"pgbouncer": obtain_pgbouncer()})
        else:
            folder = obtain_server()
            link({name: folder / name for name in SERVER_PROGRAMS})
    except (PartError, OSError) as error:
        print(f"parts: {error}", file=sys.stderr)
        return 2
    return 0


def obtain_server() -> Path:
    """The folder of PostgreSQL's programs."""
    found = newest_server(Path("/"))
    if found is not None:
        say(f"PostgreSQL's programs are in {found}.")
        return found
    package = candidate("postgresql")
    home = unpack(package)
    programs = newest_server(home)
    if programs is None:
        raise PartError(
            f"{package} was unpacked into {home} and has no PostgreSQL {OLDEST}+ in it."
        )
    return wrap(home, [programs / name for name in SERVER_PROGRAMS])


def obtain_pgbouncer() -> Path:
    """The path of pgbouncer."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is not None:
        say(f"pgbouncer is {found}.")
        return Path(found)
    home = unpack("pgbouncer")
    return wrap(home, [home / "usr/sbin/pgbouncer"]) / "pgbouncer"


def newest_server(root: Path) -> Path | None:
    """Debian's folder of the newest whole server below `root`."""
    versions = [path for path in (root / PACKAGED).glob("*") if path.name.isdigit()]
    for path in sorted(versions, key=lambda path: int(path.name), reverse=True):
        if int(path.name) >= OLDEST and all((path / "bin" / n).exists() for n in SERVER_PROGRAMS):
            return path / "bin"
    return None


def candidate(package: str) -> str:
    """The versioned server that Debian's `postgresql` stands for."""
    answer = run(["apt-cache", "depends", package])
    match = re.search(r"Depends: (postgresql-\d+)", answer)
    if match is None:
        raise PartError(
            "apt knows no package postgresql: run apt-get update, or install PostgreSQL yourself."
        )
    return match[1]


def unpack(package: str) -> Path:
    """The folder that holds the package and everything it needs that the machine lacks."""
    base = Path("/var/cache/compliance-gateway") if os.geteuid() == 0 else cache_folder()
    home = base / f"debian-{package}"
    base.mkdir(parents=True, exist_ok=True)
    with only_one(base / f".{home.name}.lock"):
        if home.is_dir():
            say(f"{package} is unpacked in {home}.")
            return home
        needed = missing_packages(package)
        say(f"Fetching Debian's {package} ({len(needed)} packages) into {home}, only this once.")
        with tempfile.TemporaryDirectory(dir=base, prefix=".unpack-") as folder:
            os.chmod(folder, 0o755)  # another user runs what is here
            fetch(needed, Path(folder))
            os.rename(Path(folder) / "root", home)
    return home


def missing_packages(package: str) -> list[str]:
    """The names of the packages that installing this one would bring."""
    command = ["apt-get", "install", "--print-uris", "--yes", "--no-install-recommends", package]
    names = re.findall(r"^'[^']+' ([^_ ]+)_", run(command), re.MULTILINE)
    if not names:
        raise PartError(f"apt does not say where {package} is: run apt-get update first.")
    return sorted({*names, package})


def fetch(packages: list[str], folder: Path) -> None:
    """Download and unpack into `folder`/root."""
    downloads = folder / "downloads"
    downloads.mkdir()
    # apt's sandbox user could not write there, and says so on standard error.
    run(["apt-get", "download", "--option", "APT::Sandbox::User=root", *packages], downloads)
    for path in sorted(downloads.glob("*.deb")):
        run(["dpkg-deb", "--extract", str(path), str(folder / "root")])


def wrap(home: Path, programs: list[Path]) -> Path:
    """A folder of small programs that run these with the unpacked libraries."""
    libraries = sorted({path.parent for path in home.rglob("*.so.*")})
    folder = home / "bin-wrapped"
    folder.mkdir(exist_ok=True)
    for program in programs:
        path = folder / program.name
        joined = ":".join(map(str, libraries))
        path.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{joined}" exec "{program}" "$@"\n')
        path.chmod(0o755)
    return folder


def link(programs: dict[str, Path]) -> None:
    """Point `.parts/bin/<name>` to each, atomically."""
    folder = ROOT / ".parts" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in programs.items():
        fresh = folder / f".{name}.{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(path)
        os.replace(fresh, folder / name)
    say(f".parts/bin has {', '.join(programs)}.")


def run(command: list[str], folder: Path | None = None) -> str:
    """Run a program and give its standard output; raises PartError with its last line."""
    try:
        answer = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PartError(
            f"{command[0]} cannot be run ({error}): install PostgreSQL {OLDEST} or newer yourself "
            "and put its programs into .parts/bin."
        ) from None
    if answer.returncode != 0:
        last = (answer.stderr.strip() or "no output").splitlines()[-1].rstrip(".")
        raise PartError(
            f"{command[0]} failed: {last}. Run apt-get update, or install PostgreSQL yourself "
            "(Debian: postgresql)."
        )
    return answer.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
