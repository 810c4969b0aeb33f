"""Each adapter of the Log port, for the contract suites."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from gateway.audit.port import Log
from tests.fakes.log import MemoryLog
from tests.fakes.sql_logs import SIGNER, open_engine, open_log, stored_entries

ReadAll = Callable[[], list[bytes]]
OpenLog = Callable[[], AbstractAsyncContextManager[tuple[Log, ReadAll]]]
LOGS = ("memory", "sql")


def log_opener(kind: str, folder: Path) -> OpenLog:
    """Opens a new log of the kind, with what reads all its entries; may keep files in `folder`."""

    @asynccontextmanager
    async def memory() -> AsyncIterator[tuple[Log, ReadAll]]:
        log = MemoryLog(signer=SIGNER)
        yield log, lambda: log.entries

    @asynccontextmanager
    async def sql() -> AsyncIterator[tuple[Log, ReadAll]]:
        engine = open_engine(folder / "log.db")
        log = await open_log(engine)
        yield log, lambda: stored_entries(engine)
        await log.aclose()
        engine.dispose()

    return memory if kind == "memory" else sql


def run(opened: OpenLog, body: Callable[[Log, ReadAll], Awaitable[None]]) -> None:
    """Open a log, run the body with it, close it."""

    async def main() -> None:
        async with opened() as (log, read_all):
            await body(log, read_all)

    asyncio.run(main())
