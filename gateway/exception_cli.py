"""`gateway exception`: break-glass, for a while and from soft rules alone."""

import re
from typing import Annotated

import typer

from gateway.client.rendering import print_exceptions, print_summary
from gateway.errors import ConfigError
from gateway.person_cli import AsJson, Justification, PersonPath, asking, show

exception_app = typer.Typer(no_args_is_help=True, help="Exceptions from soft rules, for a while.")

_SPAN = re.compile(r"([1-9][0-9]{0,3})([hd])")


@exception_app.command()
def grant(
    rule: Annotated[list[str], typer.Option(help="From which rule or control; may be repeated.")],
    reason: Annotated[str, typer.Option(help="Why; every verdict that it lifts says so.")],
    last: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 12h, 7d; to 30d.")],
    person: PersonPath = None,
    regex: Annotated[str, typer.Option(help="Process names, whole: ^…$.")] = "",
    glob: Annotated[str, typer.Option(help="Process names, as a glob.")] = "",
    environment: Annotated[str, typer.Option(help="Only there; else everywhere.")] = "",
    region: Annotated[str, typer.Option(help="Only there; else everywhere.")] = "",
    as_json: AsJson = False,
) -> None:
    """Ask for an exception; somebody else's `gateway change approve` grants it."""
    hours = _hours(last)
    pattern = parse_pattern_options(regex, glob)
    with asking(person) as queue:
        value = queue.request_exception(rule, pattern, (environment, region), hours, reason)
    show(value, as_json, print_summary)


@exception_app.command()
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `exception list` names it.")],
    justification: Justification,
    person: PersonPath = None,
    as_json: AsJson = False,
) -> None:
    """End a live exception now."""
    with asking(person) as queue:
        value = queue.revoke_exception(id, justification)
    show(value, as_json, print_summary)


@exception_app.command("list")
def list_exceptions(person: PersonPath = None, as_json: AsJson = False) -> None:
    """The exceptions that are live."""
    with asking(person) as queue:
        value = queue.list_exceptions()
    show(value, as_json, print_exceptions)


def parse_pattern_options(regex: str, glob: str) -> tuple[str, str]:
    """Kind and text; raises ConfigError unless exactly one of both is given."""
    if bool(regex) == bool(glob):
        raise ConfigError("give exactly one of --regex and --glob")
    return ("regex", regex) if regex else ("glob", glob)


def _hours(text: str) -> int:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ConfigError(f"--for {text!r}: write a number of hours or days: 12h, 7d")
    return int(found[1]) * (24 if found[2] == "d" else 1)
