"""What a run of mutants says: a table by operator, the survivors, and whether that is enough."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.mutants.judge import Judgement
from tests.mutants.mutant import Identity, Mutant

LEAST_KILLED = 0.95
ENOUGH_TO_JUDGE = 300
LEAST_KILLED_OF_A_SAMPLE = 0.90  # among sixty, two survivors more or less are chance


@dataclass(frozen=True, slots=True)
class Outcome:
    """`listed` and `unlisted` are survivors with and without a reason; `stale` are reasons for
    mutants that were killed, or do not exist, or do not compile."""

    made: int
    killed: int
    listed: tuple[tuple[Mutant, str], ...]
    unlisted: tuple[Mutant, ...]
    stale: tuple[Identity, ...]
    is_complete: bool

    @property
    def share_killed(self) -> float:
        return self.killed / self.made if self.made else 0.0

    @property
    def least_killed(self) -> float:
        return LEAST_KILLED if self.made >= ENOUGH_TO_JUDGE else LEAST_KILLED_OF_A_SAMPLE

    @property
    def holds(self) -> bool:
        enough = self.share_killed >= self.least_killed
        return self.is_complete and enough and not self.unlisted and not self.stale


def weigh(
    judgements: Sequence[Judgement],
    reasons: Mapping[Identity, str],
    is_complete: bool,
    every: Sequence[Mutant],
) -> Outcome:
    """Compare survivors with the list. `every` is all candidates, judged or not."""
    alive = [judged.mutant for judged in judgements if judged.state == "survived"]
    alive_ids = {mutant.identity for mutant in alive}
    judged_ids = {judged.mutant.identity for judged in judgements}
    known = {mutant.identity for mutant in every}
    stale = [one for one in reasons if one not in known or one in judged_ids - alive_ids]
    return Outcome(
        made=sum(judged.state != "stillborn" for judged in judgements),
        killed=sum(judged.state == "killed" for judged in judgements),
        listed=tuple((one, reasons[one.identity]) for one in alive if one.identity in reasons),
        unlisted=tuple(one for one in alive if one.identity not in reasons),
        stale=tuple(stale),
        is_complete=is_complete,
    )


def table(judgements: Sequence[Judgement]) -> list[str]:
    """Lines of the table: operator, made, killed by stage, survived; the last is the sum."""
    stages = ("own tests", "all tests", "golden", "timeout")
    compiling = [judged for judged in judgements if judged.state != "stillborn"]
    counts = Counter((judged.mutant.operator, judged.stage) for judged in compiling)
    lines = [_row(("operator", "made", *stages, "survived"))]
    for operator in sorted({judged.mutant.operator for judged in compiling}):
        by_stage = [counts[operator, stage] for stage in (*stages, "")]
        lines.append(_row((operator, sum(by_stage), *by_stage)))
    sums = Counter(judged.stage for judged in compiling)
    lines.append(_row(("all", len(compiling), *(sums[stage] for stage in (*stages, "")))))
    return lines


def summary(outcome: Outcome) -> list[str]:
    """The survivors with their reasons, and the verdict."""
    lines = [f"survived, listed: {mutant}\n    {reason}" for mutant, reason in outcome.listed]
    lines += [
        f"stale in survivors.yaml (killed, stillborn or gone): {one}" for one in outcome.stale
    ]
    lines += [f"SURVIVED, without a reason: {mutant}" for mutant in outcome.unlisted]
    if not outcome.is_complete:
        lines.append("the time budget ended before every mutant was judged")
    return [
        *lines,
        f"{outcome.killed} of {outcome.made} mutants killed: {outcome.share_killed:.1%}"
        f" (at least {outcome.least_killed:.0%}), {len(outcome.listed)} survivors listed,"
        f" {len(outcome.unlisted)} not listed",
    ]


def _row(cells: Sequence[object]) -> str:
    first, *others = map(str, cells)
    return f"{first:<16}" + "".join(f"{cell:>11}" for cell in others)
