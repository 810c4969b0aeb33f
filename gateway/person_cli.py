"""What the commands of people share: who asks, how answers are shown, how refusals end."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gateway.client.person_file import ENVIRONMENT_VARIABLE, read_person
from gateway.client.queue_client import QueueClient, open_queue
from gateway.client.rendering import WIDTH
from gateway.errors import ChangeRefusedError, ConflictError, IdentityError
from gateway.transparency.report import printable

REFUSED = 1

PersonPath = Annotated[
    Path | None,
    typer.Option(
        "--person",
        envvar=ENVIRONMENT_VARIABLE,
        metavar="FILE",
        help="YAML: gateway (https://host:port), certificate, key, ca.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]
Justification = Annotated[str, typer.Option(help="Why; it stands in the log.")]


@contextmanager
def asking(person: Path | None) -> Iterator[QueueClient]:
    """The queue, as this person. A refusal is one sentence and exit code 1; what could not be
    asked is raised on, for exit code 2."""
    with open_queue(read_person(person)) as queue, refusals():
        yield queue


@contextmanager
def refusals() -> Iterator[None]:
    """Ends the command with exit code 1 where what it asks for is refused."""
    try:
        yield
    except (ChangeRefusedError, ConflictError, IdentityError) as error:
        typer.echo(f"gateway: {printable(str(error))}", err=True)
        raise typer.Exit(REFUSED) from None


def show(
    value: dict[str, Any], as_json: bool, render: Callable[[Console, dict[str, Any]], None]
) -> None:
    """The value for a machine, or for a person."""
    if as_json:
        typer.echo(json.dumps(value))
        return
    render(Console(width=min(WIDTH, Console().width), highlight=False), value)
