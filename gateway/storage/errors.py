"""What the database could not do, in words that carry no secret."""

import re

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.errors import GatewayError

_NO_CONNECTION = ("connection failed: ", "connection is bad: ", "failed to resolve host ")
_OF_A_HOST = re.compile(r"^(- host: .*?: )?(connection failed: |connection is bad: )")
_HINTS = ("Is the server running", "Multiple connection attempts failed")


class StorageError(GatewayError):
    """The database could not be read or written; its state is what its last commit left."""


def describe_address(url: URL) -> str:
    """The address without its password and without options, which may hold another one."""
    if url.get_backend_name() == "sqlite":
        return url.render_as_string(hide_password=True)
    shown = url.set(drivername="postgresql", query={})
    return shown.render_as_string(hide_password=True)


def _describe_connection(text: str) -> str | None:
    """psycopg's words for a connection that could not be made, as a sentence: each host's reason
    once, without the questions. None for other words."""
    if not text.startswith(_NO_CONNECTION):
        return None
    lines = (_OF_A_HOST.sub("", line.strip()) for line in text.splitlines())
    reasons = [" ".join(line.split()) for line in lines if not line.startswith(_HINTS)]
    return f"there is no connection to PostgreSQL: {'; '.join(dict.fromkeys(reasons))}"


def describe_error(error: Exception) -> str:
    """The driver's words without the statement, its parameters and the row that it was about."""
    cause: object = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError):
        return f"{type(error).__name__}: {error}"
    # PostgreSQL's DETAIL shows the values of rows.
    primary = getattr(getattr(cause, "diag", None), "message_primary", None)
    if not primary and (told := _describe_connection(str(cause))) is not None:
        return told
    text = " ".join(str(primary or cause).split())
    return f"{type(cause).__name__}: {text}"
