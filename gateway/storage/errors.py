"""What the database could not do, in words that carry no secret."""

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.errors import GatewayError


class StorageError(GatewayError):
    """The database could not be read or written; its state is what its last commit left."""


def describe_address(url: URL) -> str:
    """The address without its password and without options, which may hold another one."""
    if url.get_backend_name() == "sqlite":
        return url.render_as_string(hide_password=True)
    shown = url.set(drivername="postgresql", query={})
    return shown.render_as_string(hide_password=True)


def describe_error(error: Exception) -> str:
    """The driver's words without the statement, its parameters and the row that it was about."""
    cause: object = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError):
        return f"{type(error).__name__}: {error}"
    # PostgreSQL's DETAIL shows the values of rows.
    primary = getattr(getattr(cause, "diag", None), "message_primary", None)
    text = " ".join(str(primary or cause).split())
    return f"{type(cause).__name__}: {text}"
