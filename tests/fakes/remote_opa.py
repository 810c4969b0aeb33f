"""A real OPA server of "the user's", over mutual TLS, with certificates of a CA of its own."""

import json
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.clock import SystemClock
from gateway.engine.client import OpaAddress
from gateway.engine.remote import parse_server
from gateway.identity import authority
from gateway.identity.tls import client_context
from tests.fakes.bundles import real_opa

START_SECONDS = 30.0
STOP_SECONDS = 20.0
THEIR_DOMAIN = "opa.test"
SERVER = f"spiffe://{THEIR_DOMAIN}/gateway/gateway-1"  # the only kind with a server's certificate
CLIENT = f"spiffe://{THEIR_DOMAIN}/operator/operator-1"


@dataclass
class RemoteServer:
    """One OPA with its folder and port; `start` and `kill` may alternate. `config` is its
    configuration file, `arguments` come last on its command line."""

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.keys = self.folder / "keys"
        authority.create_domain(
            self.keys, THEIR_DOMAIN, authority.DEFAULT_HOSTS, SystemClock(), days=2
        )
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    def files(self, uri: str) -> tuple[Path, Path]:
        return authority.subject_files(self.keys, uri, THEIR_DOMAIN)

    def context(self) -> ssl.SSLContext:
        """What the gateway shows and trusts."""
        return client_context(*self.files(CLIENT), self.keys / authority.CA_BUNDLE)

    @property
    def address(self) -> OpaAddress:
        return parse_server(f"https://localhost:{self.port}", self.context())

    def start(self) -> None:
        """Start it and wait until it listens; its bundle may come later."""
        config = self.folder / "opa.json"
        config.write_text(json.dumps(self.config))
        certificate, key = self.files(SERVER)
        command = [
            *(str(real_opa()), "run", "--server", f"--addr=127.0.0.1:{self.port}"),
            *(f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}"),
            *(f"--tls-ca-cert-file={self.keys / authority.CA_BUNDLE}", "--authentication=tls"),
            *("--skip-version-check", "--log-level=error", f"--config-file={config}"),
            *self.arguments,
        ]
        with (self.folder / "opa.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        self._await_listening()

    def _await_listening(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        url = f"https://localhost:{self.port}/health"
        with httpx.Client(trust_env=False, verify=self.context()) as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    client.get(url)
                except httpx.TransportError:
                    time.sleep(0.05)
                else:
                    return
        raise AssertionError(self.last_words())

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            self.process = None

    def last_words(self) -> str:
        return (self.folder / "opa.log").read_text(errors="replace")[-1500:]
