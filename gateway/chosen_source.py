"""Which log a command reads: the configuration's, a database, or any other address."""

from pathlib import Path

from gateway.configuration import database_url, load_configuration
from gateway.errors import ConfigError
from gateway.sources import open_source
from gateway.transparency.source import LogSource

_SQLITE = "sqlite:///"


def open_chosen_source(
    config: Path | None, database: Path | None, source: str | None, log: str | None
) -> LogSource:
    """The log that exactly one of the first three names; `log` says which, when there are several.
    Raises ConfigError for none or two of them, SourceError. Close it after use."""
    named = [choice for choice in (config, database, source) if choice is not None]
    if len(named) != 1:
        raise ConfigError("say where the log is: one of --config, --database and --source")
    if config is not None:
        settings = load_configuration(config)
        url = database_url(settings, config)
        return open_source(url.removeprefix(_SQLITE), log or settings.log.origin)
    return open_source(str(database) if source is None else source, log)
