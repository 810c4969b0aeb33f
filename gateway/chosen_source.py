"""Which log a command reads: the configuration's, a database, or any other address."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gateway.configuration import database_url, load_configuration
from gateway.errors import ConfigError
from gateway.sources import open_source
from gateway.transparency.source import LogSource
from gateway.transparency.sources import TlsFiles

ConfigOption: TypeAlias = Annotated[Path | None, typer.Option(help="gateway.yaml")]
DatabaseOption: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The log's SQLite database.")
]
SourceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="An exported folder, an archive's folder, or an address: http(s)://, "
        "postgresql://, s3://.",
    ),
]
LogOption: TypeAlias = Annotated[
    str | None, typer.Option("--log", metavar="ORIGIN", help="Which log, when there are several.")
]
KeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--key", metavar="VKEY", help="The checkpoint must be of this key, or its file."),
]
CaOption: TypeAlias = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="For https: the CA.")
]
CertificateOption: TypeAlias = Annotated[
    Path | None, typer.Option("--certificate", metavar="FILE", help="For https: who asks.")
]
PrivateKeyOption: TypeAlias = Annotated[
    Path | None, typer.Option("--private-key", metavar="FILE", help="For https: its private key.")
]

_SQLITE = "sqlite:///"


def open_chosen_source(
    config: Path | None,
    database: Path | None,
    source: str | None,
    log: str | None,
    tls: TlsFiles | None = None,
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
    return open_source(str(database) if source is None else source, log, tls)
