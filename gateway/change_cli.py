"""`gateway change`: the queue of changes, over mutual TLS."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.change_watch_cli import watch
from gateway.client.rendering import print_change, print_changes, print_summary
from gateway.errors import ChangeRefusedError, ConfigError
from gateway.impact.report import losses_hash
from gateway.person_cli import AsJson, Justification, PersonPath, asking, show

MAX_LISTED_LOSSES = 2_000  # the gateway takes more only by their hash

change_app = typer.Typer(no_args_is_help=True, help="See, approve and reject changes.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The change, as `change list` names it.")]


@change_app.command("list")
def list_changes(
    person: PersonPath = None,
    with_past: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """What is in force, and what waits for whom."""
    with asking(person) as queue:
        value = queue.list_changes(with_past=with_past)
    show(value, as_json, print_changes)


@change_app.command("show")
def show_change(id: Id, person: PersonPath = None, as_json: AsJson = False) -> None:
    """One change: its tests, what it would do to recorded traffic, its rollout, who is next."""
    with asking(person) as queue:
        value = queue.show_change(id)
    show(value, as_json, print_change)


@change_app.command()
def approve(
    id: Id,
    approval_id: Annotated[str, typer.Option(help="The ticket that allows it.")],
    justification: Justification,
    person: PersonPath = None,
    bundle: Annotated[
        str, typer.Option(metavar="HASH", help="The bundle's hash, as reviewed; 64 digits.")
    ] = "",
    losses_file: Annotated[
        Path | None, typer.Option(help="What loses protection: a name on each line.")
    ] = None,
    accept_losses: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="The same; may be given again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Approve somebody else's change: exactly the bundle and the losses that you name."""
    names = _losses(losses_file, accept_losses or [])
    with asking(person) as queue:
        _verify_shown(queue.show_change(id), bundle)
        said: dict[str, Any] = {
            "approval_id": approval_id,
            "bundle": bundle,
            "justification": justification,
        }
        if len(names) > MAX_LISTED_LOSSES:
            said["losses_hash"] = losses_hash(names)
        else:
            said["losses"] = names
        value = queue.approve(id, said)
    show(value, as_json, print_summary)


@change_app.command()
def reject(
    id: Id, justification: Justification, person: PersonPath = None, as_json: AsJson = False
) -> None:
    """Reject a change that waits; end a rollout; take away a protection that nobody confirmed."""
    with asking(person) as queue:
        value = queue.reject(id, justification)
    show(value, as_json, print_summary)


change_app.command()(watch)


def _verify_shown(change: dict[str, Any], bundle: str) -> None:
    """What was reviewed must be what the gateway has; raises ChangeRefusedError."""
    staged = str(change["subject"].get("bundle", ""))
    if staged == bundle:
        return
    if not bundle:
        raise ChangeRefusedError(
            f"{change['id']} is about a bundle: name its hash with --bundle, as you reviewed it"
        )
    raise ChangeRefusedError(
        f"{change['id']} is about bundle {staged}, which is not the one that you name"
        if staged
        else f"{change['id']} is about no bundle; leave --bundle out"
    )


def _losses(path: Path | None, named: list[str]) -> list[str]:
    lines: list[str] = []
    if path is not None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read ({type(error).__name__})") from None
    return sorted({name.strip() for name in (*lines, *named)} - {""})
