"""The demo's gateway, collector and verifier: the console scripts themselves, as subprocesses."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.demo.workplace import OPERATOR, TRUST_DOMAIN, Workplace
from gateway.errors import GatewayError
from gateway.identity.tls import client_context

START_SECONDS = 30.0
STOP_SECONDS = 20.0
COLLECTOR_SECONDS = 120.0


class DemoError(GatewayError):
    """A step of the demo did not do what it must."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended."""

    code: int
    output: str
    errors: str


@contextmanager
def running_gateway(workplace: Workplace) -> Iterator[None]:
    """Start the gateway, wait until it is ready, stop it gracefully."""
    log = workplace.folder / "gateway.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(  # noqa: S603
            [*_script("gateway"), "serve", "--config", str(workplace.gateway_yaml)],
            stdout=sink,
            stderr=sink,
            stdin=subprocess.DEVNULL,
        )
    try:
        _await_ready(workplace, process, log)
        yield
        process.terminate()
        if process.wait(STOP_SECONDS) != 0:
            raise DemoError(f"the gateway ended with {process.returncode}; see {log}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def run_collector(workplace: Workplace) -> dict[str, Any]:
    """Two samples of this machine's processes; the last cycle's JSON."""
    ran = run_script(
        "collector", "run", "--config", str(workplace.collector_yaml), "--once", "--json"
    )
    lines = [line for line in ran.output.splitlines() if line.startswith("{")]
    if ran.code != 0 or not lines:
        raise DemoError(f"the collector ended with {ran.code}: {ran.errors.strip()[-500:]}")
    document: dict[str, Any] = json.loads(lines[-1])
    return document


def archive(workplace: Workplace) -> Ran:
    """`gateway audit archive --now`: what was signed since the gateway's own last time."""
    return run_script(
        "gateway", "audit", "archive", "--config", str(workplace.gateway_yaml), "--now"
    )


def prove(workplace: Workplace, seq: int) -> Ran:
    """`gateway audit prove`, and what `check-proof` says of the file with the public key alone."""
    proof, key = str(workplace.folder / f"entry-{seq}.tlog-proof"), str(workplace.log_key)
    log = str(workplace.database)
    made = run_script("gateway", "audit", "prove", str(seq), "--database", log, "--out", proof)
    if made.code:
        return made
    return run_script("gateway", "audit", "check-proof", proof, "--key", key)


def verify(workplace: Workplace, source: Path) -> tuple[int, dict[str, Any]]:
    """`gateway audit verify --json` with the collector's checkpoint as the outside anchor."""
    ran = run_script(
        "gateway",
        "audit",
        "verify",
        str(source),
        "--key",
        str(workplace.log_key),
        "--checkpoint",
        str(workplace.checkpoint),
        "--json",
    )
    try:
        return ran.code, json.loads(ran.output)
    except ValueError:
        raise DemoError(f"the verifier said no JSON: {(ran.output + ran.errors)[-500:]}") from None


def run_script(name: str, *arguments: str) -> Ran:
    """Run a console script of this installation to its end."""
    done = subprocess.run(  # noqa: S603
        [*_script(name), *arguments],
        capture_output=True,
        text=True,
        timeout=COLLECTOR_SECONDS,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def _script(name: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        f"import sys; sys.argv[0] = {name!r}; from {name}.cli import main; sys.exit(main())",
    ]


def _await_ready(workplace: Workplace, process: subprocess.Popen[bytes], log: Path) -> None:
    certificate, key = workplace.subject(f"{OPERATOR}/operator-1")
    context = client_context(certificate, key, workplace.folder / "keys" / "ca.pem")
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(verify=context, trust_env=False) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                lines = log.read_text(errors="replace").strip().splitlines()
                raise DemoError(f"the gateway did not start: {lines[-1] if lines else 'no reason'}")
            try:
                if client.get(f"{workplace.url}/readyz").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise DemoError(f"the gateway of {TRUST_DOMAIN} was not ready in {START_SECONDS:.0f} s")
