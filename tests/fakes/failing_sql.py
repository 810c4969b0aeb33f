"""Databases whose writes fail, whose process was killed, and that somebody changed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from gateway.storage.engine import Engine, write_transaction


@contextmanager
def failing(engine: Engine, write: str, persisted: bool = False) -> Iterator[list[str]]:
    """Statements that begin with `write` fail; COMMIT fails before or after it took effect."""
    hits: list[str] = []

    writing = [False]

    def on_execute(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("BEGIN"):
            writing[0] = statement == "BEGIN IMMEDIATE"
        if statement.startswith(write):
            hits.append(statement)
            raise OperationalError(statement, None, Exception("planted: disk I/O error"))

    real_commit = engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        if not writing[0]:
            real_commit(connection)
            return
        hits.append("COMMIT")
        if persisted:
            real_commit(connection)
        raise OperationalError("COMMIT", None, Exception("planted: disk I/O error"))

    if write == "COMMIT":
        engine.dialect.do_commit = do_commit  # type: ignore[method-assign, assignment]
    event.listen(engine, "before_cursor_execute", on_execute)
    try:
        yield hits
    finally:
        event.remove(engine, "before_cursor_execute", on_execute)
        engine.dialect.do_commit = real_commit  # type: ignore[method-assign]


def copy_as_killed(source: Path, target: Path) -> Path:
    """The files as a SIGKILL would leave them now: the write-ahead log is not folded in."""
    for suffix in ("", "-wal", "-shm"):
        if (part := source.with_name(source.name + suffix)).exists():
            shutil.copy(part, target.with_name(target.name + suffix))
    return target


@contextmanager
def tampering(engine: Engine) -> Iterator[Callable[[str], Any]]:
    with write_transaction(engine) as connection:
        yield connection.exec_driver_sql
