"""`gateway audit erase`: whom an erasure would touch, and asking for it."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gateway.audit_purge_cli import Stage, Why, verify_justified
from gateway.client.deed_rendering import print_matched, print_staged
from gateway.errors import ConfigError
from gateway.person_cli import AsJson, PersonPath, asking, show

MAX_CLASSES = 500  # of one change
MAX_MONTHS = 200


def erase(
    attribute: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUE", help="Which classes: all that have it; may be repeated."
        ),
    ],
    request: Annotated[
        str,
        typer.Option(metavar="REF", help="The request's reference; stands in the log: no names."),
    ],
    person: PersonPath = None,
    stage: Stage = False,
    justification: Why = "",
    as_json: AsJson = False,
) -> None:
    """How many classes match. Looking opens every payload, and the log says that you did. With
    --stage: ask for the destruction of those that match and no hold keeps."""
    verify_justified(stage, justification)
    attributes = _parse_attributes(attribute)
    with asking(person) as queue:
        found = queue.match(attributes, request)
        if not stage:
            show(found, as_json, print_matched)
            return
        changes = [
            queue.ask_deed("erasure", {"classes": classes, "request": request}, justification)
            for classes in erasure_portions(found)
        ]
    show({"changes": changes}, as_json, print_staged)


def erasure_portions(found: dict[str, Any]) -> Iterator[list[str]]:
    """The classes that no hold keeps, as many as one change takes."""
    kept = {row["key"] for row in found["months"] if row["kept_by"]}
    classes: list[str] = []
    months: set[str] = set()
    for class_id, key in found["classes"]:
        if key in kept:
            continue
        if len(classes) == MAX_CLASSES or len(months | {key}) > MAX_MONTHS:
            yield classes
            classes, months = [], set()
        classes.append(class_id)
        months.add(key)
    if classes:
        yield classes


def _parse_attributes(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals or not value:
            raise ConfigError("--attribute: write NAME=VALUE, as process.owner=alice")
        if found.setdefault(name, value) != value:
            raise ConfigError(f"--attribute {name}: give one value; a class has only one")
    return found
