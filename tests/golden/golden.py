"""The corpus with its expected answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.golden.agreement import agree
from tests.golden.corpus import SEED, make_questions
from tests.golden.handmade import load_handmade
from tests.golden.opa import OpaFailedError, answer_all
from tests.golden.oracle import expect
from tests.golden.subset import Pairs
from tests.golden.tables import Tables, read_tables


@dataclass(frozen=True, slots=True)
class Golden:
    """Each question, generated or made by hand, with the answer that the oracle gives."""

    tables: Tables
    pairs: Pairs

    @property
    def questions(self) -> list[dict[str, Any]]:
        return [question for question, _ in self.pairs]

    @property
    def answers(self) -> list[list[dict[str, Any]]]:
        return [answer for _, answer in self.pairs]

    def agrees(self, opa: Path, policies: Path) -> bool:
        """Whether the policies of a folder give every answer; an error of OPA's is another one."""
        try:
            return agree(self.answers, answer_all(opa, policies, self.questions))
        except OpaFailedError:
            return False


def load_golden(policies: Path, seed: int = SEED) -> Golden:
    """The corpus over the tables of a folder."""
    tables = read_tables(policies)
    questions = make_questions(tables, seed)
    questions += [handmade.question for handmade in load_handmade()]
    return Golden(tables, [(question, expect(tables, question)) for question in questions])
