"""What entries name by hash, kept in the database for replay."""

from sqlalchemy import select, text

from gateway.storage.engine import Engine, read_transaction, write_transaction
from gateway.storage.tables import bundles

# ON CONFLICT is the same in SQLite (3.24) and PostgreSQL.
_PUT = text(
    "INSERT INTO bundles (hash, archive) VALUES (:hash, :archive) ON CONFLICT (hash) DO NOTHING"
)


class SqlBundleStore:
    """Implements `gateway.audit.port.BundleStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, hash: str, content: bytes) -> None:
        """As BundleStore: durable when it returns, and what stands is never replaced."""
        with write_transaction(self._engine, lock=None) as connection:
            connection.execute(_PUT, {"hash": hash, "archive": content})

    def get(self, hash: str) -> bytes | None:
        """As BundleStore."""
        query = select(bundles.c.archive).where(bundles.c.hash == hash)
        with read_transaction(self._engine) as connection:
            content = connection.execute(query).scalar()
        return None if content is None else bytes(content)
