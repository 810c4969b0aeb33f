"""`gateway audit hold`: legal holds, which keep what retention or an erasure would remove."""

from typing import Annotated

import typer

from gateway.client.deed_rendering import print_holds
from gateway.client.rendering import print_summary
from gateway.person_cli import AsJson, Justification, PersonPath, asking, show

hold_app = typer.Typer(no_args_is_help=True, help="Legal holds: what they cover stays.")


@hold_app.command()
def place(
    justification: Justification,
    person: PersonPath = None,
    region: Annotated[str, typer.Option(help="Only of this region; else of any.")] = "",
    retention_class: Annotated[str, typer.Option(help="Only of this class; else of any.")] = "",
    from_month: Annotated[
        str, typer.Option("--from", metavar="YYYY-MM", help="From this month; else the beginning.")
    ] = "",
    to_month: Annotated[
        str, typer.Option("--to", metavar="YYYY-MM", help="To this month; else the end.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Keep everything that it covers, from now on; one person may."""
    where = {
        "region": region,
        "retention_class": retention_class,
        "from": from_month,
        "to": to_month,
    }
    with asking(person) as queue:
        value = queue.place_hold(where, justification)
    show(value, as_json, print_summary)


@hold_app.command("list")
def list_holds(person: PersonPath = None, as_json: AsJson = False) -> None:
    """The live holds."""
    with asking(person) as queue:
        value = queue.list_holds()
    show(value, as_json, print_holds)


@hold_app.command()
def release(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `audit hold list` names it.")],
    justification: Justification,
    person: PersonPath = None,
    as_json: AsJson = False,
) -> None:
    """Ask for the end of a hold; somebody else's `gateway change approve` ends it."""
    with asking(person) as queue:
        value = queue.ask_deed("release", {"hold": id}, justification)
    show(value, as_json, print_summary)
