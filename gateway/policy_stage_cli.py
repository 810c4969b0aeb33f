"""`gateway policy stage`, `protect` and `rollback`: what people do to what is in force."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.bundles.limits import DEFAULT_LIMITS
from gateway.client.rendering import print_summary
from gateway.errors import ConfigError
from gateway.exception_cli import parse_pattern_options
from gateway.person_cli import AsJson, Justification, PersonPath, asking, show


def stage(
    archive: Annotated[Path, typer.Argument(help="A built bundle: `gateway policy build`.")],
    justification: Justification,
    person: PersonPath = None,
    as_json: AsJson = False,
) -> None:
    """Put a signed bundle into the queue: tests, impact, somebody else's approval, rollout."""
    content = _read(archive)
    with asking(person) as queue:
        value = queue.stage(content, justification)
    show(value, as_json, print_summary)


def protect(
    reason: Annotated[str, typer.Option(help="Why; verdicts and the log say so.")],
    person: PersonPath = None,
    regex: Annotated[str, typer.Option(help="Process names, as an RE2 search.")] = "",
    glob: Annotated[str, typer.Option(help="Process names, as a glob.")] = "",
    control: Annotated[str, typer.Option(help="The control that asks for it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Protect processes at once, everywhere; somebody else confirms or rejects it afterwards."""
    kind, text = parse_pattern_options(regex, glob)
    with asking(person) as queue:
        value = queue.protect(kind, text, reason, control)
    show(value, as_json, print_summary)


def rollback(
    justification: Justification,
    person: PersonPath = None,
    to: Annotated[
        str, typer.Option(metavar="REVISION", help="Else the bundle that was in force before.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Halt the rollout that is under way; without one, go back to an earlier bundle.

    Everybody has the more protective of both until somebody else approves.
    """
    with asking(person) as queue:
        value = queue.rollback(to, justification)
    show(value, as_json, print_summary)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(DEFAULT_LIMITS.max_archive_bytes + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; name an archive that `gateway policy build` made"
        ) from None
    if len(content) > DEFAULT_LIMITS.max_archive_bytes:
        raise ConfigError(
            f"{path}: no bundle is larger than {DEFAULT_LIMITS.max_archive_bytes} bytes"
        )
    return content
