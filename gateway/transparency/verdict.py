"""What a verification found, in one word, one sentence and what to do."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.canonical import Value


class Word(StrEnum):
    """The verdict words (docs/formats.md section 14)."""

    OK = "OK"
    OK_UNSEALED = "OK_UNSEALED"
    PURGED = "PURGED"
    ERASED = "ERASED"
    UNANCHORED = "UNANCHORED"
    TAMPERED = "TAMPERED"
    MISSING = "MISSING"
    FORK = "FORK"
    ROLLBACK = "ROLLBACK"
    DUPLICATE_SEQ = "DUPLICATE_SEQ"
    CRASH_TAIL = "CRASH_TAIL"
    UNVERIFIABLE = "UNVERIFIABLE"


class Flag(StrEnum):
    """What stands beside a word."""

    CLOCK = "CLOCK"
    PURGED = "PURGED"
    ERASED = "ERASED"
    UNSEALED = "UNSEALED"


WHOLE = frozenset({Word.OK, Word.OK_UNSEALED, Word.PURGED, Word.ERASED, Word.UNANCHORED})

_EXIT_CODES = {**dict.fromkeys(WHOLE, 0), Word.UNVERIFIABLE: 2, Word.UNANCHORED: 3}
_BROKEN = 1

_KEEP = "Keep this evidence as it is"
REMEDIES = {
    Word.OK: "Nothing. Keep the newest checkpoint outside for next time.",
    Word.OK_UNSEALED: "Verify again when the gateway has signed its newest entries.",
    Word.PURGED: "Nothing. The entries named as purged are in the archive, if it still keeps them.",
    Word.ERASED: "Nothing. What was erased cannot be shown any more, and the log says so.",
    Word.UNANCHORED: "Compare with a checkpoint kept outside (a collector's): --checkpoint FILE.",
    Word.TAMPERED: f"{_KEEP} and compare it with a backup, a replica or the archive.",
    Word.MISSING: f"{_KEEP} and look for what is missing in the archive or a backup.",
    Word.FORK: "Keep both: the outside checkpoint and this evidence prove two histories.",
    Word.ROLLBACK: "Find the newer copy; this one is an old copy or lost its end.",
    Word.DUPLICATE_SEQ: f"{_KEEP}; two writers or a hand made the double.",
    Word.CRASH_TAIL: "Run the export or archive again: it writes the torn end anew.",
    Word.UNVERIFIABLE: "Give the log's own verifier key and readable evidence, and verify again.",
}


@dataclass(frozen=True, slots=True)
class Proof:
    """Entries `first` to `last` (inclusive) stand as they were signed, by the evidence `by`."""

    first: int
    last: int
    by: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`word` and why. `entries` counts the entries read, of which `earlier` were verified another
    time; `sealed` those under the newest signed checkpoint that holds, `anchored` those under the
    newest outside checkpoint that holds. `last_bad_seq`: of MISSING, the end of what is. `keys`:
    the chain of the log's verifier keys, oldest first. `remarks`: what is worth knowing besides."""

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
    last_bad_seq: int | None = None
    earlier: int = 0
    purged_entries: int = 0
    is_purged: bool = False
    is_erased: bool = False
    keys: tuple[str, ...] = ()
    depth: str = ""
    remarks: tuple[str, ...] = ()

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
        """CLOCK when some entry's time lies before the one's ahead of it (`clock_seq`), PURGED and
        ERASED when something is lawfully gone, UNSEALED when no checkpoint covers the last."""
        flags = {
            Flag.CLOCK: self.clock_seq is not None,
            Flag.PURGED: self.is_purged,
            Flag.ERASED: self.is_erased,
            Flag.UNSEALED: bool(self.sealed) and self.sealed < self.entries,
        }
        return tuple(str(flag) for flag, is_up in flags.items() if is_up)

    def as_value(self) -> dict[str, Value]:
        """For --json."""
        return {
            "verdict": str(self.word),
            "exit_code": self.exit_code,
            "sentence": self.sentence,
            "what_to_do": self.remedy,
            "log": self.origin,
            "entries": self.entries,
            "verified_earlier": self.earlier,
            "purged_entries": self.purged_entries,
            "checkpoints": self.checkpoints,
            "sealed": self.sealed,
            "anchored_to": self.anchored_to,
            "first_bad_seq": self.first_bad_seq,
            "last_bad_seq": self.last_bad_seq,
            "proven_before": _proof_value(self.proven_before),
            "proven_after": _proof_value(self.proven_after),
            "flags": list(self.flags),
            "clock_seq": self.clock_seq,
            "keys": list(self.keys),
            "depth": self.depth,
            "remarks": list(self.remarks),
        }


def unverifiable(sentence: str, origin: str = "") -> Verdict:
    """The verdict when the evidence or the key could not be read."""
    return Verdict(Word.UNVERIFIABLE, sentence, "Give what is missing and verify again.", origin)


def _proof_value(proof: Proof | None) -> dict[str, Value] | None:
    if proof is None:
        return None
    return {"first": proof.first, "last": proof.last, "by": proof.by}
