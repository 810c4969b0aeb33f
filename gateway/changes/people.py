"""Who asks for a change, and the seven fields that a change is recorded with."""

from dataclasses import dataclass

from gateway import canonical
from gateway.errors import InputError

MAX_JUSTIFICATION_CHARACTERS = 1_000
MAX_APPROVAL_ID_CHARACTERS = 200
MAX_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Person:
    """A caller as the certificate says: SPIFFE id and public key (hex SHA-256 of the SPKI)."""

    uri: str
    key: str

    @property
    def name(self) -> str:
        """The last segment of the SPIFFE id."""
        return name_of(self.uri)


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why somebody does something, and the approval that it cites."""

    justification: str
    approval_id: str = ""


def name_of(uri: str) -> str:
    """What people call the holder of a SPIFFE id."""
    return uri.rpartition("/")[2]


def change_fields(
    person: Person, change_type: str, previous: str, new: str, reasons: Reasons
) -> dict[str, canonical.Value]:
    """The member `change` of an entry; with the entry's time these are the seven audit fields."""
    return {
        "approval_id": reasons.approval_id,
        "change_type": change_type,
        "justification": reasons.justification,
        "new_value": new,
        "previous_value": previous,
        "user": person.uri,
    }


def parse_reasons(justification: str) -> Reasons:
    """Raises InputError without a justification."""
    return Reasons(parse_text(justification, "justification", MAX_JUSTIFICATION_CHARACTERS))


def parse_approval(justification: str, approval_id: str) -> Reasons:
    """Raises InputError without a justification or an approval id."""
    return Reasons(
        parse_text(justification, "justification", MAX_JUSTIFICATION_CHARACTERS),
        parse_text(approval_id, "approval_id", MAX_APPROVAL_ID_CHARACTERS),
    )


def parse_text(text: str, name: str, max_characters: int = MAX_NAME_CHARACTERS) -> str:
    """A person's words for the log, on one line; raises InputError for nothing, for too much and
    for what would steer a terminal or has no UTF-8 form."""
    words = " ".join(text.split())
    if not words:
        raise InputError(f"{name}: it is required")
    if len(words) > max_characters:
        raise InputError(f"{name}: at most {max_characters} characters")
    verify_printable(words, name)
    return words


def verify_printable(text: str, name: str) -> None:
    """Raises InputError."""
    if not text.isprintable():
        raise InputError(f"{name}: it holds characters that cannot be printed; leave them out")
