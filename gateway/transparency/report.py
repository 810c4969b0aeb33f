"""From an auditor's files to a verdict, and from a verdict to lines of text."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.canonical import Value
from gateway.clock import SystemClock
from gateway.errors import VerificationError
from gateway.transparency.blocks import Depth
from gateway.transparency.checkpoint import Checkpoint, read_unverified_checkpoint
from gateway.transparency.errors import SourceError, StateError
from gateway.transparency.notes import MAX_NOTE_BYTES, Verifier, short_vkey
from gateway.transparency.parallel import start_processes
from gateway.transparency.resume import Resume
from gateway.transparency.source import TellingSource
from gateway.transparency.sources import Adapter, TlsFiles, open_source
from gateway.transparency.verdict import Flag, Proof, Verdict, unverifiable
from gateway.transparency.verify import Progress, verify_log
from gateway.transparency.witness_policy import read_policy

KEY_BESIDE = Path("keys", "checkpoint.vkey")
KEY_BESIDE_WARNING = (
    "The key was found beside the database: whoever could change one could change the other, "
    "so this is no independent evidence. Say --key with a key from elsewhere."
)

_STATE_REMEDY = "Name a file for --state in a folder that is there and that you may write in."


@dataclass(frozen=True, slots=True)
class Question:
    """What an auditor asks. `keys` are verifier keys or paths of files that hold one each, the
    first of which the log is named by; `checkpoints` are files of notes kept outside; `policy` is a
    file that says which witnesses must have cosigned; `state` a file to go on from. `jobs`:
    processes, None for as many as there are cores."""

    address: str
    keys: Sequence[str] = ()
    log: str | None = None
    checkpoints: Sequence[Path] = ()
    policy: Path | None = None
    depth: Depth = Depth.CANONICAL
    state: Path | None = None
    jobs: int | None = 1
    tls: TlsFiles | None = None


def check_source(
    question: Question,
    progress: Progress | None = None,
    adapters: Mapping[str, Adapter] | None = None,
) -> Verdict:
    """The verdict on a log, wherever it lies. What cannot be read makes the verdict UNVERIFIABLE;
    nothing is raised."""
    if not question.keys:
        return unverifiable(
            "There is no key to verify with: say --key with the log's verifier key "
            f"(none lies at {KEY_BESIDE} beside the evidence either)."
        )
    try:
        keys = [read_key(key) for key in question.keys]
        policy = read_policy(question.policy) if question.policy else None
        anchors = [read_checkpoint(path, keys[0].name) for path in question.checkpoints]
        resume = _resume(question, [key.vkey for key in keys]) if question.state else None
        if resume:
            resume.verify_writable()
        source = open_source(question.address, question.log, adapters, question.tls)
    except StateError as error:
        return replace(unverifiable(_sentence(error, question.address)), remedy=_STATE_REMEDY)
    except VerificationError as error:
        return unverifiable(_sentence(error, question.address))
    try:
        parallel = start_processes(source, question.jobs)
        try:
            verdict = verify_log(
                source,
                source.origin,
                keys,
                anchors,
                progress,
                is_witnessed=policy.is_met if policy else None,
                depth=question.depth,
                parallel=parallel,
                resume=resume,
            )
        finally:
            if parallel:
                parallel.executor.shutdown(cancel_futures=True)
        found = source.findings() if isinstance(source, TellingSource) else ()
        return replace(verdict, remarks=(*verdict.remarks, *found))
    except VerificationError as error:
        return unverifiable(_sentence(error, question.address), source.origin)
    finally:
        source.close()


def check_database(
    database: Path,
    key: str | None,
    log: str | None = None,
    checkpoints: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Verdict:
    """`check_source` for a SQLite database and one key, in this process alone."""
    question = Question(str(database), (key,) if key else (), log, checkpoints)
    return check_source(question, progress)


def _resume(question: Question, vkeys: list[str]) -> Resume | None:
    if question.state is None:
        return None
    context: dict[str, Value] = {
        "keys": list[Value](vkeys),
        "depth": str(question.depth),
        "policy": _digest(question.policy),
    }
    return Resume(question.state, context, lambda: SystemClock().boottime_ns() / 1e9)


def _digest(path: Path | None) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""


def _sentence(error: VerificationError, address: str) -> str:
    """With a capital, unless the first word is a file's name."""
    text = str(error)
    is_word = text.partition(" ")[0].isalpha() and not text.startswith(address)
    return f"{text[:1].upper() if is_word else text[:1]}{text[1:]}."


def find_key_beside(address: str) -> Path | None:
    """The verifier key that `gateway keys init` leaves beside a database, if it is there."""
    if "://" in address:
        return None
    path = Path(address).absolute().parent / KEY_BESIDE
    return path if path.is_file() else None


def read_key(text: str) -> Verifier:
    """The key in `text`, or in the file that it names; raises SourceError or NoteError."""
    if text.count("+") < 2 or _is_file(text):
        text = _read_text(Path(text), "key")
    return Verifier.from_vkey(text)


def read_checkpoint(path: Path, origin: str) -> Checkpoint:
    """The checkpoint in a file, whose signature nobody has looked at; raises SourceError when it is
    none, or another log's."""
    try:
        opened = read_unverified_checkpoint(_read_text(path, "checkpoint"))
    except SourceError:
        raise
    except VerificationError as error:
        raise SourceError(f"the checkpoint in {path} cannot be used: {error}") from None
    if opened.origin != origin:
        raise SourceError(f"the checkpoint in {path} is of log {opened.origin[:80]!r}")
    return opened


def describe(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """The verdict's details as (label, text), without the word and the sentence."""
    if verdict.origin:
        yield "log", printable(verdict.origin)
    if verdict.entries or verdict.checkpoints:
        yield "read", _read_text_of(verdict)
        yield "anchored to", verdict.anchored_to
    if verdict.last_bad_seq is not None:
        yield "missing", f"entries {verdict.first_bad_seq} to {verdict.last_bad_seq}"
    if verdict.first_bad_seq is not None:
        yield "first bad entry", str(verdict.first_bad_seq)
        yield "proven before it", _span(verdict.proven_before)
        yield "proven behind it", _span(verdict.proven_after)
    elif verdict.proven_before:
        yield "proven", _span(verdict.proven_before)
    if verdict.clock_seq is not None:
        yield "CLOCK", f"entry {verdict.clock_seq} says an earlier time than the one before it"
    if flags := [flag for flag in verdict.flags if flag != Flag.CLOCK]:
        yield "flags", ", ".join(flags)
    if len(verdict.keys) > 1:
        yield "keys", " -> ".join(printable(short_vkey(vkey)) for vkey in verdict.keys)
    for remark in verdict.remarks:
        yield "note", printable(remark)
    yield "what to do", verdict.remedy


def result_value(verdict: Verdict, *, is_key_beside: bool) -> dict[str, Value]:
    """The verdict for --json, with where its key came from."""
    return {**verdict.as_value(), "key_found_beside_database": is_key_beside}


def printable(text: str) -> str:
    """`text` without what could steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _read_text_of(verdict: Verdict) -> str:
    sealed = "checkpoint" if verdict.checkpoints == 1 else "checkpoints"
    text = f"{verdict.entries} entries that hold, {verdict.checkpoints} {sealed}"
    if verdict.earlier:
        text += f"; {verdict.earlier} of the entries were verified earlier"
    if verdict.purged_entries:
        text += f"; {verdict.purged_entries} of them are purged, and their hashes hold"
    return text


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
