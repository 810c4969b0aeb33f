"""Bringing a database to the newest schema, or back, from the package's own migrations."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine

from gateway.errors import ConfigError
from gateway.storage.engine import UNBOUNDED, write_transaction
from gateway.storage.errors import describe_address

_MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(engine: Engine) -> None:
    """Run the versions that the database lacks, all in one write transaction, so that of two
    processes that start together the second finds nothing to do; raises ConfigError for a
    database that a newer gateway migrated, StorageError when it cannot be written."""
    config = _config()
    with write_transaction(engine, statement_seconds=UNBOUNDED) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigError(
                f"the database {describe_address(engine.url)} has a schema that this gateway does "
                f"not know ({error}): run the gateway version that made it, or a newer one"
            ) from None


def migrate_back(engine: Engine, version: str) -> None:
    """Bring a database back to an older version ("base": none), in one write transaction; raises
    ConfigError, and changes nothing, when that would lose something or leave what the gateways of
    that version cannot read. The way there and up again keeps everything."""
    config = _config()
    with write_transaction(engine, statement_seconds=UNBOUNDED) as connection:
        config.attributes["connection"] = connection
        try:
            command.downgrade(config, version)
        except CommandError as error:
            raise ConfigError(
                f"the database {describe_address(engine.url)} cannot go back to version {version}, "
                f"{error}; restore a backup of that version instead"
            ) from None


def newest_version() -> str:
    """The revision that `migrate` brings a database to."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
