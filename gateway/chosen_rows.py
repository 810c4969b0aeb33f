"""Which rows a command is about: the options that `audit inspect` and `audit export` share."""

from typing import Annotated, TypeAlias

import typer

from gateway.reading.selection import Selection
from gateway.reading.times import parse_moment

TypeOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="GLOB", help="Only these types, e.g. 'change.*'."),
]
SinceOption: TypeAlias = Annotated[
    str,
    typer.Option("--since", metavar="TIME", help="From then on (UTC): 2026-03-01 or ...T10:30."),
]
UntilOption: TypeAlias = Annotated[
    str, typer.Option("--until", metavar="TIME", help="Before then (UTC).")
]
ActorOption: TypeAlias = Annotated[
    str, typer.Option("--actor", metavar="WHO", help="SPIFFE id, or its end: alice.")
]
CollectorOption: TypeAlias = Annotated[
    str, typer.Option("--collector", metavar="WHO", help="What it asked: edge-7, or edge-*.")
]
ControlOption: TypeAlias = Annotated[
    str, typer.Option("--control", metavar="ID", help="Verdicts for it: PCI-DSS-4.0.1/10.2.")
]
ProcessOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--process", metavar="GLOB", help="Only what concerns these processes; needs --config."
    ),
]
FirstOption: TypeAlias = Annotated[
    int, typer.Option("--from", metavar="N", min=0, help="From this entry.")
]
LastOption: TypeAlias = Annotated[
    int | None, typer.Option("--to", metavar="M", min=0, help="To this entry, inclusive.")
]


def parse_selection(
    types: list[str] | None,
    since: str,
    until: str,
    actor: str,
    collector: str,
    control: str,
    process: str = "",
) -> Selection:
    """What the options say; raises InputError for a time that is none."""
    return Selection(
        since_us=parse_moment(since) if since else 0,
        until_us=parse_moment(until) if until else 0,
        types=tuple(types or ()),
        actor=actor,
        collector=collector,
        control=control,
        process=process,
    )
