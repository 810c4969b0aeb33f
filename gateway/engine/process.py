"""One OPA server process: started in a private folder on loopback, bounded, and ended with us.

OPA loads two bundles: the policies, and `system.authz`, which admits only the one question and the
health probe, and only with this process's token. The token itself is never on disk. Sealed data is
a third one, which OPA fetches from us (`gateway.engine.handout`) before it listens.
"""

import asyncio
import contextlib
import ctypes
import hashlib
import os
import re
import resource
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.engine.client import OpaAddress
from gateway.engine.handout import TOKEN_VARIABLE, Handout
from gateway.errors import EngineError

POLICIES_NAME = "policies.tar.gz"
AUTHZ_NAME = "authz"
AUTHZ_REVISION = "authz-1"
_CONFIGURATION_NAME = "config.yaml"
_READY_SECONDS = 60  # the supervisor's own limit is shorter
_AUTHZ_MANIFEST = b'{"revision":"authz-1","roots":["system/authz"]}'
_AUTHZ_REGO = """package system.authz

default allow := false

allow if {
	_is_gateway
	input.method == "POST"
	input.path == ["v1", "data", "main", "verdicts"]
}

allow if {
	_is_gateway
	input.method == "GET"
	input.path == ["health"]
}

_is_gateway if crypto.sha256(input.identity) == "TOKEN_SHA256"
"""
_LOOPBACK = "127.0.0.1"
_TAIL_BYTES = 8_192
_MAX_WORDS = 1_000
_CRASH = re.compile(rb"^(?:fatal error|panic|runtime): [^\n]{1,300}\n", re.MULTILINE)
_PR_SET_PDEATHSIG = 1
_NAMED_CLASH = b"address already in use"


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """Memory in bytes. Go collects harder above `soft_memory_bytes`; past `memory_bytes` OPA dies
    and is started anew."""

    soft_memory_bytes: int = 512 * 1024 * 1024
    memory_bytes: int = 1024 * 1024 * 1024
    gogc_percent: int = 400


class OpaProcess:
    """A running OPA. `wait` returns when it has ended."""

    def __init__(
        self, process: asyncio.subprocess.Process, folder: Path, address: OpaAddress
    ) -> None:
        self._process = process
        self._folder = folder
        self._tail = bytearray()
        self._crash = ""
        self._drain = asyncio.create_task(self._read_output())
        self.address = address

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.returncode is not None

    @property
    def last_words(self) -> str:
        """How it ended, with the reason of a crash when Go gave one, else the end of its output."""
        tail = bytes(self._tail[-_MAX_WORDS:]).decode(errors="replace").strip()
        code = self._process.returncode or 0
        how = f"signal {-code}" if code < 0 else f"status {code}"
        return f"{how}, {self._crash or tail or 'no words'}"

    @property
    def met_taken_port(self) -> bool:
        """Whether it ended because something else took the port first."""
        return self.has_ended and _NAMED_CLASH in self._tail

    async def wait(self) -> None:
        await self._process.wait()

    def remove_files(self) -> None:
        """Once OPA is healthy it has read its bundles: nothing need be left behind if we are
        killed."""
        shutil.rmtree(self._folder, ignore_errors=True)

    async def kill(self) -> None:
        """End it at once (also when stopped by a signal), reap it and remove its folder."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drain, timeout=1.0)
        self.remove_files()

    async def _read_output(self) -> None:
        # The pipe must be emptied, or OPA would block on it one day; only the tail is kept, and
        # the line above a crash's long stacks.
        assert self._process.stdout is not None
        while part := await self._process.stdout.read(4096):
            self._tail += part
            if not self._crash and (found := _CRASH.search(self._tail)):
                self._crash = found[0].decode(errors="replace").strip()
            del self._tail[:-_TAIL_BYTES]


async def start_process(
    opa: Path, archive: bytes, limits: ProcessLimits, sealed: Handout | None = None
) -> OpaProcess:
    """Start an OPA on a free port; it is not yet healthy. With `sealed`, which must be open, it
    listens only once it has fetched that. Raises EngineError if it cannot run."""
    token = secrets.token_urlsafe(32)
    folder = Path(tempfile.mkdtemp(prefix="opa-"))  # mode 0700
    try:
        (folder / POLICIES_NAME).write_bytes(archive)
        _write_authz(folder / AUTHZ_NAME, token)
        if sealed is not None:
            (folder / _CONFIGURATION_NAME).write_text(sealed.configuration())
        address = OpaAddress(_LOOPBACK, _free_port(), token)
        process = await asyncio.create_subprocess_exec(
            *_command(opa, address, sealed is not None),
            cwd=folder,
            env=_environment(limits, sealed),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # a terminal's interrupt is for the gateway, which then ends it
            preexec_fn=_bind_to_parent(limits.memory_bytes),
        )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise EngineError(f"{opa} cannot be started: {error.strerror}") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return OpaProcess(process, folder, address)


def _environment(limits: ProcessLimits, sealed: Handout | None) -> dict[str, str]:
    environment = {
        "GOGC": str(limits.gogc_percent),
        "GOMEMLIMIT": str(limits.soft_memory_bytes),
    }
    return environment if sealed is None else {**environment, TOKEN_VARIABLE: sealed.token}


def _command(opa: Path, address: OpaAddress, has_configuration: bool) -> list[str]:
    configured = [
        f"--config-file={_CONFIGURATION_NAME}",
        f"--ready-timeout={_READY_SECONDS}",
    ]
    return [
        str(opa.absolute()),
        "run",
        "--server",
        f"--addr={address.host}:{address.port}",
        "--authentication=token",
        "--authorization=basic",
        "--skip-version-check",  # asks a server on the network otherwise
        "--log-level=error",
        *(configured if has_configuration else ()),
        "--bundle",
        POLICIES_NAME,
        AUTHZ_NAME,
    ]


def _write_authz(folder: Path, token: str) -> None:
    digest = hashlib.sha256(token.encode()).hexdigest()
    folder.mkdir()
    (folder / ".manifest").write_bytes(_AUTHZ_MANIFEST)
    (folder / "authz.rego").write_text(_AUTHZ_REGO.replace("TOKEN_SHA256", digest))


def _free_port() -> int:
    # Another program may take it before OPA does: OPA then ends, and the next start has a new
    # token, so what that program may have been sent opens nothing.
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _bind_to_parent(memory_bytes: int) -> Callable[[], None]:
    """What the child does between fork and exec: system calls only."""
    parent = os.getpid()
    prctl: Any = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)  # Linux has it

    def prepare() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # it died before we asked
                os._exit(1)
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return prepare
