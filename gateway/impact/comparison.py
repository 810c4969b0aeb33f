"""Recorded, active and candidate verdicts of each class, held against each other and added up."""

from collections import defaultdict
from dataclasses import dataclass

from gateway.decisions.verdict import Settled
from gateway.impact.names import (
    Frameworks,
    loss_name,
    process_label,
    process_name,
    protecting_control,
)
from gateway.impact.report import Impact, Loss, Move, Tally
from gateway.impact.side import Answers, Windows
from gateway.recorded.protection import protection_rank
from gateway.wire.classes import ProcessClass

_MILLION = 1_000_000
_MOVES: tuple[Move, ...] = ("more", "less", "same")

Pairs = tuple[tuple[Windows, Windows], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A class with one recorded verdict, and the windows (active's, candidate's) it was seen in."""

    process_class: ProcessClass
    recorded: Settled
    pairs: Pairs
    weight: int


class Comparison:
    """Adds up cases; every question of theirs stands in the answers."""

    def __init__(self, frameworks: Frameworks, active: Answers, candidate: Answers) -> None:
        self._frameworks = frameworks
        self._active = active
        self._candidate = candidate
        self._tables: defaultdict[str, defaultdict[str, _Counts]]
        self._tables = defaultdict(lambda: defaultdict(_Counts))
        self._moves = _Counts()
        self._changed_now = _Counts()
        self._classes: set[ProcessClass] = set()
        self._kept = [0, 0, 0]
        self._obligations = [0, 0]
        self._losses = _Losses()
        self._given_up = _Losses()

    def add(self, case: Case) -> None:
        """One class with its weight."""
        answers = [self._answers(case, *pair) for pair in case.pairs]
        # The pair in which the candidate gives up most, and then the one in which it gives least.
        active, candidate = min(
            answers, key=lambda pair: (_move(*pair) != "less", protection_rank(pair[1]))
        )
        recorded, weight = case.recorded, case.weight
        move = _move(recorded, candidate)
        self._moves.add(move, weight)
        now = _move(active, candidate)
        self._changed_now.add(now, weight)
        self._classes.add(case.process_class)
        self._place(case, move, candidate)
        for place, settled in enumerate((recorded, active, candidate)):
            self._kept[place] += weight * settled.sample_permille
        if list(recorded.obligations) != list(candidate.obligations):
            self._obligations[0] += weight
            self._obligations[1] += 1
        if now == "less":
            self._losses.add(case, active, candidate)
        elif move == "less":
            self._given_up.add(case, recorded, candidate)

    def impact(self, unrecorded: tuple[str, ...]) -> Impact:
        """The sum."""
        moves = self._moves.tally()
        verdicts = moves.more + moves.less + moves.same
        recorded, active, candidate = (_ppm(kept, verdicts) for kept in self._kept)
        return Impact(
            verdicts=verdicts,
            classes=len(self._classes),
            moves=moves,
            changed_now=self._changed_now.tally(),
            by_framework=_sorted(self._tables["framework"]),
            by_environment=_sorted(self._tables["environment"]),
            by_region=_sorted(self._tables["region"]),
            by_process={
                label: tally
                for label, tally in _sorted(self._tables["process"]).items()
                if tally.classes_more or tally.classes_less
            },
            obligations_changed=self._obligations[0],
            obligations_classes=self._obligations[1],
            kept_recorded_ppm=recorded,
            kept_active_ppm=active,
            kept_candidate_ppm=candidate,
            active_ns=self._active.median_ns,
            candidate_ns=self._candidate.median_ns,
            losses=self._losses.sorted(),
            given_up=self._given_up.sorted(),
            failures=self._candidate.failures,
            unrecorded_attributes=unrecorded,
        )

    def _answers(self, case: Case, active: Windows, candidate: Windows) -> tuple[Settled, Settled]:
        """What is in force and what the candidate says. Where the engine in force fails now, what
        was recorded stands for it."""
        question = (case.process_class, active)
        failed = question in self._active.failed
        now = case.recorded if failed else self._active.verdicts[question]
        return now, self._candidate.verdicts[case.process_class, candidate]

    def _place(self, case: Case, move: Move, candidate: Settled) -> None:
        sender = case.process_class.sender
        keys = (
            ("environment", sender.environment),
            ("region", sender.region),
            ("process", process_label(case.process_class)),
        )
        for table, key in keys:
            self._tables[table][key].add(move, case.weight)
        before = self._frameworks.protecting(case.recorded)
        after = self._frameworks.protecting(candidate)
        frameworks = self._tables["framework"]
        for framework in before | after:
            kind: Move = "same"
            if framework not in before or framework not in after:
                kind = "more" if framework in after else "less"
            frameworks[framework].add(kind, case.weight)


class _Losses:
    """Losses by name: several classes of one process are one loss."""

    def __init__(self) -> None:
        self._found: dict[str, Loss] = {}

    def add(self, case: Case, before: Settled, after: Settled) -> None:
        control = protecting_control(before)
        name = loss_name(case.process_class, control)
        known = self._found.get(name)
        sender = case.process_class.sender
        self._found[name] = Loss(
            name=name,
            process=process_name(case.process_class),
            environment=sender.environment,
            region=sender.region,
            control=control,
            before=known.before if known else _fate(before),
            after=known.after if known else _fate(after),
            verdicts=case.weight + (known.verdicts if known else 0),
            classes=1 + (known.classes if known else 0),
        )

    def sorted(self) -> tuple[Loss, ...]:
        return tuple(self._found[name] for name in sorted(self._found))


def _move(before: Settled, after: Settled) -> Move:
    one, other = protection_rank(before), protection_rank(after)
    if one == other:
        return "same"
    return "more" if other > one else "less"


def _fate(settled: Settled) -> str:
    """`keep (hard)`, `sample 0.5`, `drop`."""
    share, guard = protection_rank(settled)
    text = f"sample {share / 1000:g}" if settled.action == "sample" else settled.action
    return f"{text} ({('soft', 'hard')[guard - 1]})" if guard else text


def _ppm(kept: int, verdicts: int) -> int:
    return kept * _MILLION // (verdicts * 1000) if verdicts else 0


class _Counts:
    """A tally under way."""

    def __init__(self) -> None:
        self._verdicts = dict.fromkeys(_MOVES, 0)
        self._classes = dict.fromkeys(_MOVES, 0)

    def add(self, move: Move, weight: int) -> None:
        self._verdicts[move] += weight
        self._classes[move] += 1

    def tally(self) -> Tally:
        return Tally(
            *(self._verdicts[move] for move in _MOVES), *(self._classes[move] for move in _MOVES)
        )


def _sorted(table: defaultdict[str, "_Counts"]) -> dict[str, Tally]:
    return {key: table[key].tally() for key in sorted(table)}
