"""Says of one mutant whether the tests or the golden corpus notice it."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from tests.mutants.mutant import Mutant

State = Literal["stillborn", "killed", "survived"]

# A mutant that runs this long loops or explodes; in production the engine's deadline would end it.
TIMEOUT_SECONDS = 110.0
# OPA's own limit of 5 s for one test would kill mutants on a busy machine.
_TEST_TIMEOUT = "60s"
_FAILED_TESTS = 2  # `opa test` exits 1 when it cannot load or compile


class Corpus(Protocol):
    """The golden corpus, as mutants are tried on it."""

    def agrees_quickly(self, policies: Path, mutant: Mutant) -> bool:
        """Whether the questions that are likeliest to notice get the expected verdicts."""

    def agrees(self, policies: Path) -> bool:
        """Whether every question gets the expected verdict."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`stage` is what noticed: `compile`, `own tests`, `all tests`, `golden` or `timeout`."""

    mutant: Mutant
    state: State
    stage: str = ""


class Judge:
    """A private copy of the policies in which one mutant after another is tried. Not for two
    threads at once."""

    def __init__(self, opa: Path, policies: Path, folder: Path, corpus: Corpus | None) -> None:
        self._opa = opa
        self._copy = folder / "policies"
        self._corpus = corpus
        shutil.copytree(policies, self._copy)

    def judge(self, mutant: Mutant) -> Judgement:
        """Put the mutant in, ask, and put the original back."""
        place = self._copy / mutant.path
        original = place.read_bytes()
        place.write_bytes(mutant.content)
        try:
            return self._judge(mutant)
        except subprocess.TimeoutExpired:
            return Judgement(mutant, "killed", "timeout")
        finally:
            place.write_bytes(original)

    def is_sound(self) -> bool:
        """Whether the unchanged policies pass everything: otherwise each mutant would seem dead."""
        golden = self._corpus is None or self._corpus.agrees(self._copy)
        return golden and self._test("") == 0

    def _judge(self, mutant: Mutant) -> Judgement:
        """The cheap and likely first: tests beside it, a part of the corpus, then everything."""
        if own := self._own_tests(mutant):
            if (status := self._test(own)) == _FAILED_TESTS:
                return Judgement(mutant, "killed", "own tests")
            if status != 0:
                return Judgement(mutant, "stillborn", "compile")
        asks_first = own or not mutant.path.endswith(".rego")  # known to compile
        if asks_first and self._corpus and not self._corpus.agrees_quickly(self._copy, mutant):
            return Judgement(mutant, "killed", "golden")
        if (status := self._test("")) == _FAILED_TESTS:
            return Judgement(mutant, "killed", "all tests")
        if status != 0:
            return Judgement(mutant, "stillborn", "compile")
        if self._corpus and not self._corpus.agrees(self._copy):
            return Judgement(mutant, "killed", "golden")
        return Judgement(mutant, "survived")

    def _own_tests(self, mutant: Mutant) -> str:
        """A pattern of the tests in the files beside a module; "" where there are none."""
        if not mutant.path.endswith(".rego"):
            return ""
        packages = [
            match[1]
            for path in sorted((self._copy / mutant.path).parent.glob("*_test.rego"))
            if (match := re.search(r"^package (\S+)", path.read_text(), re.MULTILINE))
        ]
        return "|".join("^" + re.escape(f"data.{package}.") for package in packages)

    def _test(self, tests: str) -> int:
        chosen = ("--run", tests) if tests else ()
        done = subprocess.run(
            [str(self._opa), "test", "--timeout", _TEST_TIMEOUT, *chosen, str(self._copy)],
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return done.returncode
