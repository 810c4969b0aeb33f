"""`gateway audit purge`: what retention lets go, and asking for it."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import typer

from gateway.client.deed_rendering import print_due, print_staged
from gateway.errors import ConfigError
from gateway.person_cli import AsJson, PersonPath, asking, show

MAX_MONTH_KEYS = 200  # of one change

Stage = Annotated[bool, typer.Option("--stage", help="Ask for it; else it is only shown.")]
Why = Annotated[str, typer.Option("--justification", help="Why; it stands in the log.")]


def purge(
    person: PersonPath = None,
    stage: Stage = False,
    justification: Why = "",
    as_json: AsJson = False,
) -> None:
    """What is due and what a hold keeps of it. With --stage: ask for the removal of all that no
    hold keeps; somebody else's `gateway change approve` allows it, then a gateway does it."""
    verify_justified(stage, justification)
    with asking(person) as queue:
        due = queue.list_due()
        if not stage:
            show(due, as_json, print_due)
            return
        changes = [
            queue.ask_deed("purge", subject, justification) for subject in purge_subjects(due)
        ]
    show({"changes": changes}, as_json, print_staged)


def verify_justified(stage: bool, justification: str) -> None:
    """Raises ConfigError for asking without a reason."""
    if stage and not justification.strip():
        raise ConfigError("--stage needs --justification: why is it removed?")


def purge_subjects(due: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One for each change: the month keys in portions, then each range of entries."""
    free = iter([row["key"] for row in due["months"] if not row["kept_by"]])
    while keys := list(islice(free, MAX_MONTH_KEYS)):
        yield {"what": "payloads", "month_keys": keys}
    for row in due["entries"]:
        if not row["kept_by"]:
            yield {"what": "entries", "first": row["first"], "last": row["last"]}
