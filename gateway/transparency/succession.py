"""The statement by which a closed log is followed by a new one (docs/formats.md section 18).

Entries that were signed and seen outside were lost, so the old log can sign nothing more without
becoming two histories. The statement says how many of its entries are there, how many were seen
outside and thus which are lost, and which key signs the log that goes on. The old log's key and two
people sign it; it stands in the new log's first entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway import canonical
from gateway.canonical import Value
from gateway.errors import CanonicalError
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint_by_any
from gateway.transparency.entry import leaf_hash, parse_entry
from gateway.transparency.errors import EntryError, NoteError, SuccessionError, UnsignedError
from gateway.transparency.merkle import verify_inclusion
from gateway.transparency.notes import (
    MAX_NOTE_BYTES,
    Signer,
    Verifier,
    open_note,
    sign_note,
    split_note,
)

MIN_PEOPLE = 2
OPENED = "log.opened"
SUCCEEDS = "succeeds"

_VERSION = 1
_MEMBERS = frozenset(
    {"v", "old", "new", "size", "checkpoint", "witnessed", "lost", "vkey", "reason", "time"}
)


@dataclass(frozen=True, slots=True)
class Succession:
    """What a statement says. `size` entries of `old` are there under the note `checkpoint` (""
    where none is), entries `lost_first` to `lost_last` are lost as the note `witnessed` shows;
    `new` goes on under the verifier key `vkey`."""

    old: str
    new: str
    size: int
    checkpoint: str
    witnessed: str
    lost_first: int
    lost_last: int
    vkey: str
    reason: str
    time: str

    @property
    def sentence(self) -> str:
        """For people."""
        return (
            f"log {self.new} succeeds log {self.old}, which was closed at {self.size} entries: "
            f"LOST {self.lost_first}..{self.lost_last} ({self.reason})"
        )


def next_origin(origin: str) -> str:
    """The name of the log that succeeds `origin`: `<origin>~2`, then `~3`."""
    base, mark, number = origin.rpartition("~")
    if mark and number.isascii() and number.isdigit():
        return f"{base}~{int(number) + 1}"
    return f"{origin}~2"


def encode_succession(statement: Succession) -> str:
    """The text that is signed."""
    value: Value = {
        "v": _VERSION,
        "old": statement.old,
        "new": statement.new,
        "size": statement.size,
        "checkpoint": statement.checkpoint,
        "witnessed": statement.witnessed,
        "lost": {"first": statement.lost_first, "last": statement.lost_last},
        "vkey": statement.vkey,
        "reason": statement.reason,
        "time": statement.time,
    }
    return canonical.encode(value).decode() + "\n"


def add_signature(note: str, signer: Signer) -> str:
    """The note with one more signature, or as it is where this key signed it; raises NoteError."""
    text, lines = split_note(note)
    verifier = signer.verifier
    if any((line.name, line.key_id) == (verifier.name, verifier.key_id) for line in lines):
        open_note(note, [verifier])
        return note
    fresh = sign_note(text, [signer])[len(text) + 1 :]
    return f"{text}\n" + "".join(line.text for line in lines) + fresh


def read_unverified_succession(note: str) -> Succession:
    """What a statement says, whoever signed it; raises SuccessionError for another form. Believe
    nothing of it before `verify_succession`."""
    try:
        text, _ = split_note(note)
        value = canonical.decode(text.removesuffix("\n").encode())
    except (NoteError, CanonicalError) as error:
        raise SuccessionError(f"it is no statement of succession: {error}") from None
    if not isinstance(value, dict) or value.keys() != _MEMBERS or value["v"] != _VERSION:
        raise SuccessionError("it is no statement of succession, or of another version")
    lost = value["lost"]
    if not isinstance(lost, dict) or lost.keys() != {"first", "last"}:
        raise SuccessionError("it does not say which entries are lost")
    return Succession(
        old=_text(value, "old"),
        new=_text(value, "new"),
        size=_number(value, "size"),
        checkpoint=_text(value, "checkpoint"),
        witnessed=_text(value, "witnessed"),
        lost_first=_number(lost, "first"),
        lost_last=_number(lost, "last"),
        vkey=_text(value, "vkey"),
        reason=_text(value, "reason"),
        time=_text(value, "time"),
    )


def verify_succession(
    note: str,
    old: Sequence[Verifier],
    people: Sequence[Verifier],
    *,
    kept: Checkpoint | None = None,
    min_people: int = MIN_PEOPLE,
) -> Succession:
    """The statement, once all rules hold: a key of the `old` log signed it, and so did at least
    `min_people` of `people`, each another person with another key; both checkpoints in it are the
    old log's and name exactly what is lost; `kept`, a checkpoint of the old log that the caller
    has, is not larger than what was witnessed, nor of another history as far as can be told.

    `people` are named by SPIFFE ids without the scheme. Raises SuccessionError.
    """
    statement = read_unverified_succession(note)
    if not old or statement.old != old[0].name:
        raise SuccessionError(f"it is about log {statement.old[:80]!r}, not about this one")
    if statement.new != next_origin(statement.old):
        raise SuccessionError(f"log {statement.new[:80]!r} cannot be the next of {statement.old!r}")
    _verify_signed(note, old, people, min_people)
    here = _open(statement.checkpoint, old, "checkpoint") if statement.size else None
    witnessed = _open(statement.witnessed, old, "witnessed")
    if (here.size if here else 0) != statement.size or statement.lost_first != statement.size:
        raise SuccessionError("what is lost does not begin where its checkpoint ends")
    if witnessed.size != statement.lost_last + 1 or witnessed.size <= statement.size:
        raise SuccessionError("what is lost does not end where the witnessed checkpoint does")
    for known in (here, witnessed):
        if kept and known and kept.size == known.size and kept.root != known.root:
            raise SuccessionError(f"it is about another history: at {kept.size} entries")
    if kept is not None and kept.size > witnessed.size:
        raise SuccessionError(
            f"a checkpoint of {kept.size} entries is kept here, and it says that {witnessed.size} "
            "were seen: more is lost than it names"
        )
    successor_of(statement)
    return statement


def successor_of(statement: Succession) -> Verifier:
    """The key of the log that goes on; raises SuccessionError."""
    try:
        verifier = Verifier.from_vkey(statement.vkey)
    except NoteError as error:
        raise SuccessionError(f"it names no key of the new log: {error}") from None
    if verifier.name != statement.new:
        raise SuccessionError(f"its key is of log {verifier.name[:80]!r}, not of the new one")
    return verifier


def succession_note_of(entry: bytes) -> str | None:
    """The statement in the bytes of a log's entry 0, unverified; None for a log that succeeds
    none."""
    try:
        parsed = parse_entry(entry)
    except EntryError:
        return None
    note = parsed.body.get(SUCCEEDS) if (parsed.seq, parsed.type) == (0, OPENED) else None
    return note if isinstance(note, str) else None


def remark_of(note: Value) -> str:
    """What a verifier says of a log that names another one before it. Who signed the statement is
    not looked at: that needs the old log's key and the people's."""
    try:
        if not isinstance(note, str):
            raise SuccessionError("it is no text")
        statement = read_unverified_succession(note)
    except SuccessionError as error:
        return f"Entry 0 says that this log succeeds another, and its statement is none: {error}."
    sentence = statement.sentence
    return f"{sentence[:1].upper()}{sentence[1:]}, as entry 0 says; verify {statement.old}, too."


def verify_opening(
    entry: bytes, proof: Sequence[bytes], head: Checkpoint, statement: Succession
) -> None:
    """Raises SuccessionError or another VerificationError unless `entry` opens the new log as the
    statement says and stands under `head`, a checkpoint that the new log's key signed."""
    parsed = parse_entry(entry)
    named = parsed.body.get("checkpoint_key")
    if (parsed.seq, parsed.type, parsed.origin) != (0, OPENED, statement.new):
        raise SuccessionError("this is not the first entry of the new log")
    if named != statement.vkey:
        raise SuccessionError("the new log was opened with another key than the statement's")
    verify_inclusion(leaf_hash(entry), 0, head.size, proof, head.root)


def _verify_signed(
    note: str, old: Sequence[Verifier], people: Sequence[Verifier], min_people: int
) -> None:
    try:
        open_note(note, old)
    except UnsignedError:
        raise SuccessionError("the old log's key did not sign it") from None
    except NoteError as error:
        raise SuccessionError(str(error)) from None
    try:
        signers = open_note(note, people).signers if people else ()
    except UnsignedError:
        signers = ()
    except NoteError as error:
        raise SuccessionError(str(error)) from None
    names = {_person(signer.name) for signer in signers}
    keys = {signer.public_key for signer in signers}
    if min(len(names), len(keys)) < min_people:
        raise SuccessionError(
            f"{min_people} different people must sign it, of those whose succession keys are "
            f"known here: {min(len(names), len(keys))} did"
        )


def _person(name: str) -> str:
    """Of a SPIFFE id the name counts, whatever role is before it."""
    return name.rpartition("/")[2].casefold()


def _open(note: str, old: Sequence[Verifier], member: str) -> Checkpoint:
    try:
        return open_checkpoint_by_any(note, old)
    except NoteError as error:
        raise SuccessionError(f"its {member} is no checkpoint of the old log: {error}") from None


def _text(value: dict[str, Value], name: str) -> str:
    found = value[name]
    if not isinstance(found, str) or len(found) > MAX_NOTE_BYTES:
        raise SuccessionError(f"its member {name} is no text")
    return found


def _number(value: dict[str, Value], name: str) -> int:
    found = value[name]
    if type(found) is not int or found < 0:
        raise SuccessionError(f"its member {name} is no number of entries")
    return found
