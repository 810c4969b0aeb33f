"""A real S3 server with Object Lock on loopback, and a network that breaks."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.interop.programs import part

REGION = "eu-west-1"
ACCESS_KEY = "archive-tester"
SECRET_KEY = "not-a-secret-of-anybody-0001"
READY_SECONDS = 20.0


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Its address, while it runs."""
    data, versions = folder / "data", folder / "versions"
    data.mkdir()
    versions.mkdir()
    port = _free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ROOT_ACCESS_KEY_ID": ACCESS_KEY,
        "ROOT_SECRET_ACCESS_KEY": SECRET_KEY,
    }
    command = [str(part("versitygw")), "--port", f"127.0.0.1:{port}", "--region", REGION, "--quiet"]
    command += ["posix", "--versioning-dir", str(versions), str(data)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=READY_SECONDS)


def open_client(endpoint: str) -> Any:
    """Boto3's own client with the server's credentials: the attacker's hands, too."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}),
    )


def make_bucket(client: Any, name: str, *, is_locking: bool = True) -> None:
    """A new bucket."""
    client.create_bucket(
        Bucket=name,
        ObjectLockEnabledForBucket=is_locking,
        CreateBucketConfiguration={"LocationConstraint": REGION},
    )


class BreakingNetwork:
    """A way to the server that cuts connections: `cuts` times, each time after another `after`
    bytes to the server (`is_request`) or from it, over all connections."""

    def __init__(self, endpoint: str) -> None:
        self._port = int(endpoint.rsplit(":", 1)[1])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._passed = 0
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts = 0
        self.after = 0
        self.is_request = True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """No more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            for source, target, is_request in ((near, far, True), (far, near, False)):
                arguments = (source, target, is_request)
                threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        with suppress(OSError):
            while data := source.recv(4_096):
                left = self._allow(len(data)) if is_request == self.is_request else len(data)
                target.sendall(data[:left])
                if left < len(data):
                    break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _allow(self, count: int) -> int:
        """How many of the next bytes pass; fewer than there are is a cut."""
        with self._lock:
            if not self.cuts or self._passed + count <= self.after:
                self._passed += count
                return count
            allowed, self._passed = max(0, self.after - self._passed), 0
            self.cuts -= 1
            return allowed


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the S3 server does not answer; see its server.log")
