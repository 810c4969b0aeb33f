"""A finding on its way to the verdict; it never leaves the package."""

from gateway.transparency.verdict import Word


class Finding(Exception):  # noqa: N818 - what is found is no failure of ours
    """The first thing that does not hold, at entry `seq` (None: beside the entries).

    `last`: of MISSING, the last that is. `is_rewrite`: the entries from `seq` on are consistent
    with each other and not with a seal. `needs_vouching`: it counts only when the auditor's key
    signed something of this log.
    """

    def __init__(
        self,
        word: Word,
        seq: int | None,
        sentence: str,
        *,
        last: int | None = None,
        is_rewrite: bool = False,
        needs_vouching: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.word = word
        self.seq = seq
        self.sentence = sentence
        self.last = last
        self.is_rewrite = is_rewrite
        self.needs_vouching = needs_vouching


def missing(first: int, last: int, why: str = "") -> Finding:
    """Entries `first` to `last` are not there."""
    said = f"Entry {first} is missing" if first == last else f"{first} to {last} are missing"
    return Finding(Word.MISSING, first, f"{said}{why}.", last=last)
