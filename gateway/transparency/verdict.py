"""What a verification found, in one word, one sentence and what to do."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.canonical import Value


class Word(StrEnum):
    """The verdict words. An appender that commits whole groups leaves no torn tail, so CRASH_TAIL
    does not exist for a database: what a crash leaves is OK_UNSEALED."""

    OK = "OK"
    OK_UNSEALED = "OK_UNSEALED"
    UNANCHORED = "UNANCHORED"
    TAMPERED = "TAMPERED"
    MISSING = "MISSING"
    FORK = "FORK"
    ROLLBACK = "ROLLBACK"
    DUPLICATE_SEQ = "DUPLICATE_SEQ"
    UNVERIFIABLE = "UNVERIFIABLE"


_EXIT_CODES = {Word.OK: 0, Word.OK_UNSEALED: 0, Word.UNVERIFIABLE: 2, Word.UNANCHORED: 3}
_BROKEN = 1


@dataclass(frozen=True, slots=True)
class Proof:
    """Entries `first` to `last` (inclusive) stand as they were signed, by the evidence `by`."""

    first: int
    last: int
    by: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`word` and why. `entries` counts the entries read, `sealed` those under the newest signed
    checkpoint that holds, `anchored` those under the newest outside checkpoint that holds."""

    word: Word
    sentence: str
    remedy: str
    origin: str = ""
    entries: int = 0
    checkpoints: int = 0
    sealed: int = 0
    anchored: int = 0
    first_bad_seq: int | None = None
    proven_before: Proof | None = None
    proven_after: Proof | None = None
    clock_seq: int | None = None

    @property
    def exit_code(self) -> int:
        """0 fine, 1 broken, 2 could not check, 3 whole but without outside evidence."""
        return _EXIT_CODES.get(self.word, _BROKEN)

    @property
    def anchored_to(self) -> str:
        """`N of M`: how much of the log outside evidence covers."""
        return f"{self.anchored} of {self.entries}"

    @property
    def flags(self) -> tuple[str, ...]:
        """CLOCK when some entry's time lies before the entry's ahead of it (`clock_seq`)."""
        return () if self.clock_seq is None else ("CLOCK",)

    def as_value(self) -> dict[str, Value]:
        """For --json."""
        return {
            "verdict": str(self.word),
            "exit_code": self.exit_code,
            "sentence": self.sentence,
            "what_to_do": self.remedy,
            "log": self.origin,
            "entries": self.entries,
            "checkpoints": self.checkpoints,
            "sealed": self.sealed,
            "anchored_to": self.anchored_to,
            "first_bad_seq": self.first_bad_seq,
            "proven_before": _proof_value(self.proven_before),
            "proven_after": _proof_value(self.proven_after),
            "flags": list(self.flags),
            "clock_seq": self.clock_seq,
        }


def unverifiable(sentence: str, origin: str = "") -> Verdict:
    """The verdict when the evidence or the key could not be read."""
    return Verdict(Word.UNVERIFIABLE, sentence, "Give what is missing and verify again.", origin)


def _proof_value(proof: Proof | None) -> dict[str, Value] | None:
    if proof is None:
        return None
    return {"first": proof.first, "last": proof.last, "by": proof.by}
