"""Following a log that was closed to the one that succeeds it (docs/formats.md section 18), under
the statement that the old log's key and two people of this collector's configuration signed.

Files in the state folder: `succession`, the statements that were followed; what was kept of the log
before is renamed and stays: `checkpoint.before-<n>`, n as in the new log's name.
"""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path

import msgspec

from collector.client.state_file import write_atomically
from collector.errors import EvidenceError
from gateway.errors import VerificationError
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint
from gateway.transparency.errors import SuccessionError
from gateway.transparency.notes import Verifier
from gateway.transparency.succession import (
    Succession,
    next_origin,
    read_unverified_succession,
    succession_note_of,
    successor_of,
    verify_opening,
    verify_succession,
)
from gateway.wire.succession import SuccessionAnswer

FILE = "succession"
_KEPT = ("checkpoint", "checkpoint.entry", "checkpoint.keys")


class _Followed(msgspec.Struct, frozen=True):
    """A statement (signed note), and the old log's keys as they were proven by then."""

    note: str
    keys: tuple[str, ...]


def load_successions(
    state: Path, configured: Verifier, people: Sequence[Verifier]
) -> tuple[Verifier, list[Succession]]:
    """The key that the newest log of the chain began with, and the statements that lead to it from
    the configured one. Raises EvidenceError for a file that does not hold."""
    verifier, followed = configured, []
    for one in _read(state):
        try:
            if read_unverified_succession(one.note).old != verifier.name:
                continue  # the configuration names a later log of the chain
            keys = [Verifier.from_vkey(vkey) for vkey in one.keys]
            statement = verify_succession(one.note, keys, people)
            verifier = successor_of(statement)
        except VerificationError as error:
            raise EvidenceError(
                f"{state / FILE} does not hold ({error}); restore it, or name the log that goes on "
                "in log.origin and log.key"
            ) from None
        followed.append(statement)
    return verifier, followed


def is_next(note: str, verifier: Verifier) -> bool:
    """Whether a checkpoint says that it is of the log that would succeed this one."""
    return note.partition("\n")[0] == next_origin(verifier.name)


def verify_answer(
    answer: SuccessionAnswer,
    old: Sequence[Verifier],
    people: Sequence[Verifier],
    kept: Checkpoint | None,
) -> tuple[str, Succession, Checkpoint]:
    """The statement (note and parsed) and the new log's checkpoint, once both hold; raises
    VerificationError."""
    try:
        entry = base64.b64decode(answer.entry, validate=True)
        proof = [bytes.fromhex(step) for step in answer.proof]
    except (binascii.Error, ValueError):
        raise SuccessionError("the answer holds no entry or proof") from None
    note = succession_note_of(entry)
    if note is None:
        raise SuccessionError("the log's first entry names no log before it")
    statement = verify_succession(note, old, people, kept=kept)
    head = open_checkpoint(answer.checkpoint, successor_of(statement))
    verify_opening(entry, proof, head, statement)
    return note, statement, head


def store_succession(
    state: Path, note: str, statement: Succession, old: Sequence[Verifier]
) -> None:
    """Set aside what was kept of the old log, and keep the statement; raises EvidenceError. Killed
    in between, this is done again."""
    number = statement.new.rpartition("~")[2]
    try:
        for name in _KEPT:
            if (state / name).exists():
                (state / name).rename(state / f"{name}.before-{number}")
        followed = _Followed(note, tuple(key.vkey for key in old))
        text = msgspec.json.encode([*_read(state), followed]).decode()
        write_atomically(state / FILE, text + "\n")
    except OSError as error:
        raise EvidenceError(f"{state / FILE} cannot be written ({error})") from None


def _read(state: Path) -> list[_Followed]:
    try:
        return msgspec.json.decode((state / FILE).read_bytes(), type=list[_Followed])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EvidenceError(f"{state / FILE} cannot be read ({error}); restore it") from None
