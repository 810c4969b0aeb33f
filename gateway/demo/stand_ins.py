"""Real stand-in processes with the scenarios' names."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import ConfigError

PROTECTED = ("payment-gateway-eu", "customer-data-processor", "general-ledger-core")
OPTIONAL = ("log-shipper", "backup-service", "update-agent")
INTERPRETED = "patient-data-service"
LIFETIME_SECONDS = "900"  # they end by themselves, should the demo be killed


@contextmanager
def running_stand_ins(folder: Path) -> Iterator[list[str]]:
    """Start them, yield their names, stop them."""
    sleep = shutil.which("sleep")
    if sleep is None:
        raise ConfigError("the demo needs the program `sleep` on PATH")
    folder.mkdir()
    script = folder / f"{INTERPRETED}.py"
    script.write_text("import sys, time\ntime.sleep(float(sys.argv[1]))\n", encoding="utf-8")
    commands = [[sys.executable, str(script), LIFETIME_SECONDS]]
    for name in (*PROTECTED, *OPTIONAL):
        program = folder / name
        shutil.copy2(sleep, program)
        commands.append([str(program), LIFETIME_SECONDS])
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))  # noqa: S603
        yield [*PROTECTED, INTERPRETED, *OPTIONAL]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
