"""From an auditor's files to a verdict, and from a verdict to lines of text."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.canonical import Value
from gateway.errors import VerificationError
from gateway.transparency.checkpoint import Checkpoint, read_unverified_checkpoint
from gateway.transparency.errors import SourceError
from gateway.transparency.notes import MAX_NOTE_BYTES, Verifier
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Proof, Verdict, unverifiable
from gateway.transparency.verify import Progress, verify_log

KEY_BESIDE = Path("keys", "checkpoint.vkey")
KEY_BESIDE_WARNING = (
    "The key was found beside the database: whoever could change one could change the other, "
    "so this is no independent evidence. Say --key with a key from elsewhere."
)


def check_database(
    database: Path,
    key: str | None,
    log: str | None = None,
    checkpoints: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Verdict:
    """The verdict on a log in a SQLite database. `key` is a verifier key or the path of a file that
    holds one, `checkpoints` are files of notes kept outside. What cannot be read makes the verdict
    UNVERIFIABLE; nothing is raised."""
    if key is None:
        return unverifiable(
            "There is no key to verify with: say --key with the log's verifier key "
            f"(none lies at {KEY_BESIDE} beside the database either)."
        )
    try:
        verifier = read_key(key)
        anchors = [read_checkpoint(path, verifier) for path in checkpoints]
        with SqliteSource(database, log) as source:
            return verify_log(source, source.origin, verifier, anchors, progress)
    except VerificationError as error:
        text = str(error)
        return unverifiable(f"{text[:1].upper()}{text[1:]}.")


def find_key_beside(database: Path) -> Path | None:
    """The verifier key that `gateway keys init` leaves beside a database, if it is there."""
    path = database.absolute().parent / KEY_BESIDE
    return path if path.is_file() else None


def read_key(text: str) -> Verifier:
    """The key in `text`, or in the file that it names; raises SourceError or NoteError."""
    if text.count("+") < 2 or _is_file(text):
        text = _read_text(Path(text), "key")
    return Verifier.from_vkey(text)


def read_checkpoint(path: Path, verifier: Verifier) -> Checkpoint:
    """The signed checkpoint in a file; raises SourceError when it cannot vouch for anything."""
    try:
        opened = read_unverified_checkpoint(_read_text(path, "checkpoint"))
    except SourceError:
        raise
    except VerificationError as error:
        raise SourceError(f"the checkpoint in {path} cannot be used: {error}") from None
    if opened.origin != verifier.name:
        raise SourceError(f"the checkpoint in {path} is of log {opened.origin[:80]!r}")
    return opened


def describe(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """The verdict's details as (label, text), without the word and the sentence."""
    if verdict.origin:
        yield "log", printable(verdict.origin)
    if verdict.entries or verdict.checkpoints:
        yield "read", f"{verdict.entries} entries that hold, {verdict.checkpoints} checkpoints"
        yield "anchored to", verdict.anchored_to
    if verdict.first_bad_seq is not None:
        yield "first bad entry", str(verdict.first_bad_seq)
        yield "proven before it", _span(verdict.proven_before)
        yield "proven behind it", _span(verdict.proven_after)
    elif verdict.proven_before:
        yield "proven", _span(verdict.proven_before)
    if verdict.clock_seq is not None:
        yield "CLOCK", f"entry {verdict.clock_seq} says an earlier time than the one before it"
    yield "what to do", verdict.remedy


def result_value(verdict: Verdict, *, is_key_beside: bool) -> dict[str, Value]:
    """The verdict for --json, with where its key came from."""
    return {**verdict.as_value(), "key_found_beside_database": is_key_beside}


def printable(text: str) -> str:
    """`text` without what could steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _span(proof: Proof | None) -> str:
    return f"entries {proof.first} to {proof.last}, by the {proof.by}" if proof else "nothing"


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a path, or a NUL in it
        return False


def _read_text(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE_BYTES + 1).decode()
    except OSError as error:
        raise SourceError(f"cannot read the {what} {path}: {error.strerror}") from None
    except ValueError:
        raise SourceError(f"the {what} {path} is not a text file") from None
