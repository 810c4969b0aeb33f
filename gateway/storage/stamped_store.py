"""Timestamps beside the checkpoints that they are of, for auditors."""

from sqlalchemy import and_, select

from gateway.errors import ConfigError
from gateway.storage.cosigned_store import TimestampRow
from gateway.storage.engine import StorageError, open_database, read_transaction
from gateway.storage.tables import checkpoints, timestamps


def read_stamped(url: str, log: str | None) -> list[tuple[TimestampRow, str | None]]:
    """Every timestamp of the log (of the only one there is, without `log`) with the stored
    checkpoint of its size, smallest first; raises ConfigError."""
    engine = open_database(url)
    try:
        with read_transaction(engine) as connection:
            if log is None:
                names = connection.execute(select(checkpoints.c.log).distinct()).scalars().all()
                if len(names) != 1:
                    raise ConfigError(f"the database holds {len(names)} logs: say which with --log")
                log = names[0]
            query = (
                select(timestamps, checkpoints.c.note)
                .outerjoin(
                    checkpoints,
                    and_(
                        checkpoints.c.log == timestamps.c.log,
                        checkpoints.c.size == timestamps.c.size,
                    ),
                )
                .where(timestamps.c.log == log)
                .order_by(timestamps.c.size, timestamps.c.authority)
            )
            return [
                (TimestampRow(row.size, row.authority, row.note_text, bytes(row.token)), row.note)
                for row in connection.execute(query)
            ]
    except StorageError as error:
        raise ConfigError(f"the database cannot be read: {error}") from None
    finally:
        engine.dispose()
