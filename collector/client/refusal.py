"""A refusal of the log's evidence, on disk: it binds until a person takes it away.

Files in the state folder: the refused note (empty when what failed was no note) and the reason.
Both are moved aside and never deleted: with the kept checkpoint they are the evidence against the
log.
"""

from dataclasses import dataclass
from pathlib import Path

from collector.client.state_file import write_atomically
from collector.errors import EvidenceError

REFUSED_FILE = "checkpoint.refused"
REASON_FILE = "checkpoint.refused.reason"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing of the log is believed, and the note that was refused, "" for none."""

    reason: str
    note: str


def load_refusal(state: Path) -> Refusal | None:
    """The refusal that stands, however little of it can be read."""
    refused, reason = state / REFUSED_FILE, state / REASON_FILE
    if not refused.exists() and not reason.exists():
        return None
    told = _read(reason).strip() or f"{refused} is there: a checkpoint was refused"
    return Refusal(told, _read(refused))


def store_refusal(state: Path, refusal: Refusal) -> None:
    """Put it on disk; raises EvidenceError where that cannot be done."""
    try:
        write_atomically(state / REASON_FILE, refusal.reason + "\n")
        write_atomically(state / REFUSED_FILE, refusal.note)
    except (OSError, UnicodeEncodeError) as error:
        raise EvidenceError(
            f"{state / REFUSED_FILE} cannot be written ({error}); until this collector stops "
            f"everything is kept. {refusal.reason}"
        ) from None


def clear_refusal(state: Path, suffix: str) -> list[Path]:
    """Move the files aside as `<name>.<suffix>`; where they are now, empty when there was no
    refusal. Raises EvidenceError."""
    moved = []
    try:
        for name in (REFUSED_FILE, REASON_FILE):
            if (state / name).exists():
                moved.append((state / name).rename(state / f"{name}.{suffix}"))
    except OSError as error:
        raise EvidenceError(f"{state}: the refusal cannot be moved aside ({error})") from None
    return moved


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
