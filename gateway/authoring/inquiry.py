"""What an author asks about: one proposal, read as the gateway reads it from a collector."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway.bundles.documents import parse_json
from gateway.decisions.proposals import BadProposal, ProposalReader
from gateway.errors import BundleError, ConfigError, InputError
from gateway.wire.classes import (
    EXECUTABLE_NAME,
    IDENTITY,
    IDENTITY_SOURCE,
    ClassDeclaration,
    ProcessClass,
    Sender,
)

_PROPOSED = ("action", "sample_rate", "score", "profile")


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A proposal with its sender and the open windows. `proposal` has the members of
    `POST /v1/decisions` (docs/formats.md section 3) without the ref."""

    proposal: Mapping[str, Any]
    sender: Sender
    windows: tuple[str, ...]

    def project(self, declaration: ClassDeclaration) -> ProcessClass:
        """The class, through the gateway's own reader; raises InputError saying what is wrong."""
        reader = ProposalReader(declaration)
        try:
            body = json.dumps({"proposals": [{"ref": "0", **self.proposal}]}, allow_nan=False)
            (found,) = reader.read(body.encode())
            if isinstance(found, BadProposal):
                raise InputError(f"the proposal cannot be read: {found.detail}")
            return reader.class_of(found, self.sender)
        except ValueError as error:
            raise InputError(f"the proposal cannot be read: {error}") from None

    def undeclared(self, declaration: ClassDeclaration) -> list[str]:
        """Attributes that were given and that no policy can read."""
        return sorted(set(self.proposal["process"]) - set(declaration.attributes))


def named_process(name: str) -> dict[str, str]:
    """The attributes a collector derives for an executable of this name that is no interpreter."""
    return {EXECUTABLE_NAME: name, IDENTITY: name, IDENTITY_SOURCE: "executable"}


def read_proposal(path: Path) -> dict[str, Any]:
    """The proposal of a JSON file: a process's attributes, or a whole proposal with `process`.

    Raises ConfigError naming the file."""
    try:
        value = parse_json(str(path), path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except BundleError as error:
        raise ConfigError(str(error)) from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: write an object of attributes, name to text")
    if isinstance(value.get("process"), dict):
        return {name: value[name] for name in ("process", *_PROPOSED) if name in value}
    return {"process": value}


def parse_attributes(pairs: list[str]) -> dict[str, str]:
    """`k=v` texts as attributes; raises InputError."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError("--attribute is written name=value, such as process.owner=root")
        found[name] = value
    return found


def with_score(process_class: ProcessClass, edge: int) -> ProcessClass:
    """The same class in another bucket of scores."""
    return msgspec.structs.replace(process_class, score=edge)


def with_attribute(process_class: ProcessClass, name: str, value: str) -> ProcessClass:
    """The same class with an attribute changed or added."""
    attributes = {**dict(process_class.attributes), name: value}
    return msgspec.structs.replace(process_class, attributes=tuple(sorted(attributes.items())))
