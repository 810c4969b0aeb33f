"""Which bundle and floor are in force: one row per activation, the same for every worker."""

from sqlalchemy import select

from gateway.changes.activation import Activation
from gateway.clock import format_time, parse_time
from gateway.storage.engine import Engine, read_transaction, write_transaction
from gateway.storage.tables import activations, bundles


class SqlActivations:
    """The activations of one log; raises StorageError."""

    def __init__(self, engine: Engine, log: str) -> None:
        self._engine = engine
        self._log = log

    def newest(self) -> Activation | None:
        """The activation in force, or None on a new log."""
        query = (
            select(activations)
            .where(activations.c.log == self._log)
            .order_by(activations.c.number.desc())
            .limit(1)
        )
        with read_transaction(self._engine) as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        activated_us = parse_time(row.activated_at)
        return Activation(
            row.number, row.bundle, row.revision, row.version, row.floor, activated_us
        )

    def add(self, activation: Activation, archive: bytes, floor_note: bytes) -> None:
        """Put an activation in force and keep its bundle and floor for replay (P9)."""
        with write_transaction(self._engine) as connection:
            for key, content in ((activation.bundle, archive), (activation.floor, floor_note)):
                known = connection.execute(select(bundles.c.hash).where(bundles.c.hash == key))
                if known.first() is None:
                    connection.execute(bundles.insert().values(hash=key, archive=content))
            connection.execute(
                activations.insert().values(
                    log=self._log,
                    number=activation.number,
                    bundle=activation.bundle,
                    revision=activation.revision,
                    version=activation.version,
                    floor=activation.floor,
                    activated_at=format_time(activation.activated_us),
                )
            )

    def stored(self, key: str) -> bytes | None:
        """A bundle's archive, or a floor's signed note, by its hash."""
        query = select(bundles.c.archive).where(bundles.c.hash == key)
        with read_transaction(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else bytes(row.archive)
