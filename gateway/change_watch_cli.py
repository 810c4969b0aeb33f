"""`gateway change watch`: a change on its way, a line whenever it moves."""

import json
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from gateway.client.rendering import WIDTH, step_text
from gateway.clock import Clock, SystemClock, format_time
from gateway.person_cli import AsJson, PersonPath, asking
from gateway.transparency.report import printable

LOOK_EVERY_SECONDS = 0.5
_STOPPED = ("halted", "rejected", "ended")
_BY_ITSELF = "the gateway"  # what a change waits for that needs no person
_INDENT = 20

Value = dict[str, Any]


def watch(
    id: Annotated[str, typer.Argument(metavar="ID", help="The change, as `change list` names it.")],
    person: PersonPath = None,
    as_json: AsJson = False,
) -> None:
    """Follow a change until it waits for a person, is in force, or has stopped.

    Exit code 0: it waits for somebody, or is in force. 1: halted, rejected or ended.
    """
    last: Value = {}
    with asking(person) as queue:
        for last in moves(lambda: queue.show_change(id), lambda: time.sleep(LOOK_EVERY_SECONDS)):
            typer.echo(json.dumps(last) if as_json else line_of(last, SystemClock()))
    raise typer.Exit(int(last.get("stage") in _STOPPED))


def moves(ask: Callable[[], Value], pause: Callable[[], None]) -> Iterator[Value]:
    """The change each time that it is further than before, up to where nothing moves by itself."""
    before: tuple[object, ...] = ()
    while True:
        value = ask()
        now = (value["stage"], value["waits_for"])
        if now != before:
            yield value
        if not value["waits_for"].startswith(_BY_ITSELF):
            return
        before = now
        pause()


def line_of(value: Value, clock: Clock) -> str:
    """`15:04:10 UTC  rolling    step 1 of 2: everywhere, 20 % of collectors`."""
    head = f"{format_time(clock.now_us())[11:19]}  {value['stage']:9} "
    return textwrap.fill(
        printable(_said(value)), WIDTH, initial_indent=head, subsequent_indent=" " * _INDENT
    )


def _said(value: Value) -> str:
    rollout = value["rollout"]
    if value["stage"] == "halted" and rollout:
        return f"{'; '.join(rollout['failures'])}; waits for {value['waits_for']}"
    if value["stage"] == "rolling" and rollout and value["approval"]:
        at = rollout["step"]
        return f"step {at + 1} of {len(rollout['steps'])}: {step_text(rollout['steps'][at])}"
    if value["waits_for"]:
        return f"waits for {value['waits_for']}"
    return "in force" if value["stage"] == "active" else value["detail"] or "over"
