"""A throw-away PostgreSQL server, as the tests of stores run it: real, on 127.0.0.1 alone, with
fsync, in a folder of its own that goes with it."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import make_url

from gateway.storage.engine import open_database
from gateway.storage.schema import migrate

PARTS = Path(__file__).resolve().parents[2] / ".parts" / "bin"
TEST_URL = "GATEWAY_TEST_POSTGRESQL"
"""Environment variable: a server's address, for suites that run over both stores."""

# PostgreSQL refuses to run as root.
USER = "nobody" if os.geteuid() == 0 else None
_GROUPS: list[int] | None = None if USER is None else []
_START_SECONDS = 60.0
_TEMPLATE = "gateway_template"
_SETTINGS = {
    "fsync": "on",
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "wal_recycle": "off",
    "log_destination": "stderr",
}


class Databases:
    """Databases of one server, each migrated and of its own name."""

    def __init__(self, address: str) -> None:
        """`address`: of a database whose user may make others."""
        self._address = make_url(address)
        self._has_template = False

    def url(self, database: str | None = None, port: int | None = None) -> str:
        """The address of a database, for `open_database`."""
        address = self._address
        if database is not None:
            address = address.set(database=database)
        if port is not None:
            address = address.set(port=port)
        return address.render_as_string(hide_password=False)

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements, each by itself; the rows of the last, if it has any."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def change_setting(self, name: str, value: str | None) -> None:
        """Set one for all new sessions, None: as it was, and wait until they have it."""
        wanted = f"SET {name} = '{value}'" if value is not None else f"RESET {name}"
        # Local: no standby need confirm these.
        local = "SET synchronous_commit = local"
        (before,) = self.run(f"SHOW {name}")
        self.run(local, f"ALTER SYSTEM {wanted}", "SELECT pg_reload_conf()")
        for _ in range(200):
            (now,) = self.run(f"SHOW {name}")
            if now == (value,) or (value is None and now != before):
                return
            time.sleep(0.02)
        raise AssertionError(f"{name} never became {value}")

    def new_database(self) -> str:
        """The name of a new, migrated database."""
        if not self._has_template:
            self.run(f"DROP DATABASE IF EXISTS {_TEMPLATE}")
            self.run(f"CREATE DATABASE {_TEMPLATE}")
            engine = open_database(self.url(_TEMPLATE))
            migrate(engine)
            engine.dispose()
            self._has_template = True
        return self.copy_database(_TEMPLATE)

    def copy_database(self, template: str) -> str:
        """The name of a new database with what another holds; nobody may be connected to that."""
        name = f"log_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database; nobody may be connected."""
        self.run(f"DROP DATABASE {name}")


class PostgresServer(Databases):
    """One server. `start` after `kill` goes on with the same data, through its recovery."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        super().__init__(f"postgresql://gateway:{password}@127.0.0.1:{port}/postgres")
        self.folder = folder
        self.port = port
        self.password = password
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [(PARTS / "postgres").resolve(), "-D", self.folder / "data"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                user=USER,
                extra_groups=_GROUPS,
            )
        until = time.monotonic() + _START_SECONDS
        while True:
            assert self._process.poll() is None, self.read_log()
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert time.monotonic() < until, self.read_log()
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """SIGKILL every process of it at once, as a loss of power would, but for the disk."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert self._process is not None
        self._process.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It says nothing and keeps its connections."""
        processes = self._processes()
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def stop(self) -> None:
        """An orderly end, if it runs."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()

    def read_log(self) -> str:
        """The server's own log."""
        return (self.folder / "log").read_text(errors="replace")

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        main = psutil.Process(self._process.pid)
        return [main, *main.children(recursive=True)]


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A new server, removed at the end; fails the test when there are no programs for it."""
    assert (PARTS / "initdb").exists(), "no PostgreSQL: run `python3 deploy/postgresql.py`"
    # Not pytest's folder: the server's owner must reach it, and sockets want short names.
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgresql-"))
    password = secrets.token_urlsafe(16)
    try:
        server = PostgresServer(_make_cluster(folder, password), free_port(), password)
        with (folder / "data" / "postgresql.auto.conf").open("a") as settings:
            for name, value in {**_SETTINGS, "port": str(server.port)}.items():
                settings.write(f"{name} = '{value}'\n")
            settings.write(f"unix_socket_directories = '{folder}'\n")
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _make_cluster(folder: Path, password: str) -> Path:
    (folder / "password").write_text(password)
    if USER is not None:
        for path in (folder, folder / "password"):
            shutil.chown(path, USER)
    done = subprocess.run(
        [
            *((PARTS / "initdb").resolve(), "--pgdata", folder / "data", "--username", "gateway"),
            *("--auth", "scram-sha-256", "--pwfile", folder / "password"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions"),
        ],
        capture_output=True,
        cwd=folder,
        check=False,
        user=USER,
        extra_groups=_GROUPS,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return folder
