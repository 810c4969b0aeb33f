"""`gateway keys hand-over`: ask for another key of the log."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.client.rendering import print_summary
from gateway.person_cli import AsJson, Justification, PersonPath, asking, show
from gateway.transparency.report import read_key


def hand_over(
    old: Annotated[
        Path, typer.Option(help="The vkey file of the key that signs now (keys/checkpoint.vkey).")
    ],
    new: Annotated[
        Path, typer.Option(help="The vkey file of the next one (`gateway keys checkpoint-key`).")
    ],
    justification: Justification,
    person: PersonPath = None,
    as_json: AsJson = False,
) -> None:
    """Ask that the log is signed by another key from now on. Somebody else approves it with
    `gateway change approve`; a gateway that holds the new key (log.next_checkpoint_key) then writes
    the hand-over, signed by both. Auditors and collectors follow by themselves."""
    subject = {"old": read_key(str(old)).vkey, "new": read_key(str(new)).vkey}
    with asking(person) as queue:
        value = queue.ask_deed("key", subject, justification)
    show(value, as_json, print_summary)
