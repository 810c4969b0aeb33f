"""Each adapter of the Log port and each store below it, for the contract suites.

PostgreSQL is among them where a server is named by the environment, as `make interop` does.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path

from gateway.audit.port import Log
from gateway.storage.engine import Engine, open_database
from tests.fakes.log import MemoryLog
from tests.fakes.postgresql import TEST_URL, Databases
from tests.fakes.sql_logs import SIGNER, open_engine, open_log, stored_entries

ReadAll = Callable[[], list[bytes]]
OpenLog = Callable[[], AbstractAsyncContextManager[tuple[Log, ReadAll]]]
STORES = ("sqlite", "postgresql") if TEST_URL in os.environ else ("sqlite",)
LOGS = ("memory", *STORES)


def log_opener(kind: str, folder: Path) -> OpenLog:
    """Opens a new log of the kind, with what reads all its entries; may keep files in `folder`."""

    @asynccontextmanager
    async def memory() -> AsyncIterator[tuple[Log, ReadAll]]:
        log = MemoryLog(signer=SIGNER)
        yield log, lambda: log.entries

    @asynccontextmanager
    async def sql() -> AsyncIterator[tuple[Log, ReadAll]]:
        with new_store(kind, folder) as engine:
            log = await open_log(engine)
            yield log, lambda: stored_entries(engine)
            await log.aclose()

    return memory if kind == "memory" else sql


@contextmanager
def new_store(kind: str, folder: Path) -> Iterator[Engine]:
    """A new, migrated database of the kind; may keep files in `folder`."""
    if kind == "sqlite":
        engine = open_engine(folder / "log.db")
        yield engine
        engine.dispose()
        return
    databases = _databases()
    name = databases.new_database()
    engine = open_database(databases.url(name))
    try:
        yield engine
    finally:
        engine.dispose()
        databases.drop_database(name)


@cache
def _databases() -> Databases:
    return Databases(os.environ[TEST_URL])


def run(opened: OpenLog, body: Callable[[Log, ReadAll], Awaitable[None]]) -> None:
    """Open a log, run the body with it, close it."""

    async def main() -> None:
        async with opened() as (log, read_all):
            await body(log, read_all)

    asyncio.run(main())
