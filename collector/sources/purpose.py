"""What a process is for, derived on the host: the `compliance.process.identity` of a process.

A binary of its own is named by its executable, whatever its argv claims. An interpreter is named by
what it runs (main class, jar, module, script), else by its systemd unit, else its purpose is
unknown and it must be kept. Words of argv may hold secrets: only words in a program's place, made
of the letters that names are made of, become an identity. Environment variables are never read.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from collector.sources.interpreters import Program, find_interpreter, words

IdentitySource = Literal[
    "executable", "argv", "systemd", "cgroup", "label", "interpreter", "truncated", "unknown"
]
UNKNOWN_PURPOSE: frozenset[str] = frozenset({"interpreter", "unknown"})
COMM_BYTES = 15  # the kernel's TASK_COMM_LEN less its final zero

_MAX_NAME = 128
_SANE = re.compile(rf"[A-Za-z0-9._/$-]{{1,{_MAX_NAME}}}\Z")
_SANE_UNIT = re.compile(rf"[A-Za-z0-9._@:-]{{1,{_MAX_NAME}}}\Z")
_CONTAINER = re.compile(r"(?:[a-z-]+-)?[0-9a-f]{32,64}(?:\.scope)?\Z|kubepods")
_UNIT_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")
_EXTENSIONS = re.compile(
    r"\.(?:pyc?|pyz|pex|[cm]?[jt]s|rb|pl|php|phar|sh|bash|jar|war|java|dll|exe|lua|r|tcl|jl)\Z",
    re.IGNORECASE,
)

# Names that say how something is started and not what it is for.
_LAUNCHERS = words(
    "gunicorn uvicorn hypercorn daphne waitress waitress-serve celery flask runpy pytest pdb "
    "npm npm-cli npx npx-cli yarn pnpm corepack ts-node tsx nodemon pm2 rails puma unicorn rackup "
    "bundle bundler rake sidekiq spring artisan supervisord supervisor multiprocessing.spawn "
    "org.apache.catalina.startup.Bootstrap org.jboss.modules.Main org.eclipse.jetty.start.Main "
    "org.codehaus.plexus.classworlds.launcher.Launcher "
    "worker.org.gradle.process.internal.worker.GradleWorkerMain jboss-modules quarkus-run"
)
_SPRING_LOADER = "org.springframework.boot.loader."
_GENERIC = words(
    "app application main server service index run start manage entrypoint docker-entrypoint "
    "__main__ wsgi asgi cli bootstrap launcher launch worker program script test init"
)
_GENERIC_FOLDERS = words(
    "bin sbin lib libs lib64 src dist build out target app apps code opt usr local home root srv "
    "var tmp workspace current release releases www html site-packages dist-packages public"
)
_GENERIC_UNITS = re.compile(
    r"(?:user@|user-runtime-dir@|getty@|serial-getty@|session-|init\b|docker|containerd|crio|podman|"
    r"kubelet|k3s|ssh|sshd|cron|crond|atd|supervisord?|systemd-|dbus|rc-local|run-)"
)
_MULTICALL = frozenset({"busybox", "toybox", "coreutils"})


class Identity(NamedTuple):
    """A process's identity and where it was learned."""

    identity: str
    source: IdentitySource


def derive_identity(comm: str, exe: str | None, argv: Sequence[str], cgroup: str = "") -> Identity:
    """The identity of a process.

    `comm` is the kernel's name (at most 15 bytes for a user's process), `exe` the executable's path
    or None when it cannot be learned (kernel thread, zombie, another user's), `argv` the words of
    the command line, `cgroup` the text of `/proc/<pid>/cgroup`. Never raises.
    """
    name = executable_name(comm, exe, argv)
    if name in _MULTICALL:
        name, argv = _applet(argv) or (name, argv)
    finder = find_interpreter(name)
    if finder is None and exe is None and argv:
        # Scripts and runtimes rename themselves; without exe their argv[0] still tells.
        finder = find_interpreter(_last_segment(argv[0]))
    if finder is not None:
        program = finder(list(argv[1:]))
        purpose = _purpose_of(program) if program is not None else None
        return _identity_of_interpreter(purpose, name, cgroup)
    if name in _MULTICALL or not name:
        return Identity(name or "unknown", "unknown")
    if exe is not None or len(comm.encode()) != COMM_BYTES:
        return Identity(name, "executable")
    return Identity(name, "argv" if _full_name(comm, argv) else "truncated")


def executable_name(comm: str, exe: str | None, argv: Sequence[str]) -> str:
    """The executable's file name: from its path, else the kernel's name, made whole from argv[0]
    where the kernel cut it and argv[0] goes on as it began."""
    if exe:
        return _last_segment(exe)
    return _full_name(comm, argv) or comm


def systemd_unit(cgroup: str) -> str | None:
    """The systemd service that a process belongs to, without `.service`; None inside a container
    (its id says nothing) and for units that only start other things (sessions, cron)."""
    for line in cgroup.splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not (hierarchy == "0" or controllers == "name=systemd"):
            continue
        segments = path.split("/")
        if any(_CONTAINER.match(segment) for segment in segments):
            return None
        units = [s.removesuffix(".service") for s in segments if s.endswith(".service")]
        if units:
            unit = _UNIT_ESCAPE.sub(lambda m: chr(int(m[1], 16)), units[-1])
            return unit if _SANE_UNIT.match(unit) and not _GENERIC_UNITS.match(unit) else None
    return None


def _identity_of_interpreter(purpose: str | None, name: str, cgroup: str) -> Identity:
    if purpose is not None:
        return Identity(purpose, "argv")
    unit = systemd_unit(cgroup)
    return Identity(unit, "systemd") if unit is not None else Identity(name, "interpreter")


def _purpose_of(program: Program) -> str | None:
    """The name of a program, None when it says nothing or is no name."""
    if not _is_name(program.name):
        return None
    if program.kind == "module":
        return None if _is_generic_module(program.name) else program.name
    segments = [s for s in program.name.split("/") if s not in ("", ".", "..")]
    if not segments:
        return None
    stem = _EXTENSIONS.sub("", segments.pop())
    if stem in _LAUNCHERS or not stem:
        return None
    if stem.lower() not in _GENERIC:
        return stem
    folder = next((s for s in reversed(segments) if s.lower() not in _GENERIC_FOLDERS), None)
    return f"{folder}/{stem}" if folder is not None else None


def _is_name(word: str) -> bool:
    """`/dev/fd/63` and the like end in a number, which names nothing."""
    last = word.rstrip("/").rpartition("/")[2]
    return bool(_SANE.match(word)) and not word.startswith("-") and any(c.isalpha() for c in last)


def _is_generic_module(name: str) -> bool:
    """`gunicorn`, Spring Boot's launcher, `app.main`: true of any service."""
    if (
        name.partition(".")[0] in _LAUNCHERS
        or name in _LAUNCHERS
        or name.startswith(_SPRING_LOADER)
    ):
        return True
    return all(part.lower() in _GENERIC | _GENERIC_FOLDERS for part in name.split("."))


def _full_name(comm: str, argv: Sequence[str]) -> str | None:
    if len(comm.encode()) != COMM_BYTES or not argv:
        return None
    whole = _last_segment(argv[0])
    # A cut inside a character leaves U+FFFD at the end of comm.
    return whole if _SANE.match(whole) and whole.startswith(comm.rstrip("\ufffd")) else None


def _applet(argv: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    """A multi-call binary is the applet that it was called as."""
    called = _last_segment(argv[0]).lstrip("-") if argv else ""
    if called in _MULTICALL:
        argv = argv[1:]
        called = _last_segment(argv[0]) if argv else ""
    return (called, argv) if called and _SANE.match(called) else None


def _last_segment(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
