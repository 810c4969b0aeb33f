"""Mutation testing of the policies.

    python -m tests.mutants                      320 of them, drawn by the seed (minutes)
    python -m tests.mutants --all                every mutant (an hour)
    python -m tests.mutants --sample 60 --budget-seconds 60          for CI

Exit status: 0 at least 95 % killed (of fewer than 300: 90 %) and every survivor listed with its
reason in survivors.yaml, 1 not so, 2 could not find out.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.mutants.golden import GoldenCorpus
from tests.mutants.report import summary, table, weigh
from tests.mutants.run import Plan, Progress, UnsoundError, judge_mutants, make_mutants
from tests.mutants.survivors import load_survivors

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_SEED = 20261125
DEFAULT_SAMPLE = 320
_EVERY = 25  # mutants between lines where there is no terminal


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    seed = options.seed
    console.print(f"seed {seed} (--seed repeats it)")
    try:
        reasons = load_survivors(options.survivors)
        every = make_mutants(options.opa, options.policies)
        only = tuple(options.only) or ""
        mutants = [mutant for mutant in every if mutant.path.startswith(only)]
        plan = Plan(
            opa=options.opa,
            policies=options.policies,
            corpus=GoldenCorpus(options.opa, options.policies),
            seed=seed,
            wanted=options.sample,
            budget_seconds=options.budget_seconds,
            workers=options.workers,
        )
        judgements = []
        with contextlib.suppress(KeyboardInterrupt):  # what was found so far is worth saying
            for judgement in judge_mutants(plan, mutants, _shower(console, options.sample)):
                judgements.append(judgement)
                if judgement.state == "survived" and judgement.mutant.identity not in reasons:
                    console.print(f"survived: {judgement.mutant}", markup=False)
    except (OSError, ValueError, UnsoundError) as error:
        Console(stderr=True).print(f"mutants: {error}", markup=False)
        return 2
    made = sum(judged.state != "stillborn" for judged in judgements)
    is_complete = len(judgements) == len(mutants) or _is_enough(made, options.sample)
    outcome = weigh(judgements, reasons, is_complete, every)
    for line in (*table(judgements), "", *summary(outcome)):
        console.print(line, markup=False)
    return 0 if outcome.holds else 1


def _is_enough(made: int, sample: int | None) -> bool:
    """A sample may be cut short by a busy machine, but not below three fifths."""
    return sample is not None and made * 5 >= sample * 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--policies", type=Path, default=ROOT / "policies")
    parser.add_argument("--opa", type=Path, default=ROOT / ".parts" / "bin" / "opa")
    listed = Path(__file__).with_name("survivors.yaml")
    parser.add_argument("--survivors", type=Path, default=listed)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument(
        "--sample", type=int, default=DEFAULT_SAMPLE, help="how many that compile (320)"
    )
    amount.add_argument("--all", dest="sample", action="store_const", const=None)
    parser.add_argument(
        "--only", action="append", default=[], help="only files whose path begins so, as lib/"
    )
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--budget-seconds", type=float, default=3600.0)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    return parser


def _shower(console: Console, wanted: int | None) -> Callable[[Progress], None]:
    def show(progress: Progress) -> None:
        if console.is_terminal:
            console.print(progress.line(wanted), end="\r")
        elif progress.tried % _EVERY == 0:
            console.print(progress.line(wanted))

    return show


if __name__ == "__main__":
    sys.exit(main())
