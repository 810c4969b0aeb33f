"""Names of processes for commands that show rows: out of sealed payloads, whose opening the log is
told of."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import typer

from gateway.audit_rows import NameAll
from gateway.configuration import load_configuration
from gateway.errors import ConfigError


@contextmanager
def naming(config: Path | None, command: str) -> Iterator[NameAll]:
    """What names classes, with the keys that the configuration names. Raises ConfigError without
    one, and as `open_evidence`."""
    if config is None:
        raise ConfigError("names of processes are sealed: say --config gateway.yaml to open them")
    from gateway.evidence import open_evidence
    from gateway.recorded.naming import name_classes

    with open_evidence(load_configuration(config), config, command) as evidence:
        if evidence.unrecorded is not None:
            typer.echo(f"gateway: {evidence.unrecorded}", err=True)
        yield partial(name_classes, evidence.vault)
