"""Says of one mutant whether the tests or the golden corpus notice it."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.mutants.mutant import Mutant

State = Literal["stillborn", "killed", "survived"]

# A mutant that runs this long loops or explodes; in production the engine's deadline would end it.
TIMEOUT_SECONDS = 60.0
_FAILED_TESTS = 2  # `opa test` exits 1 when it cannot load or compile


@dataclass(frozen=True, slots=True)
class Judgement:
    """`stage` is what noticed: `compile`, `own tests`, `all tests`, `golden` or `timeout`."""

    mutant: Mutant
    state: State
    stage: str = ""


class Judge:
    """A private copy of the policies in which one mutant after another is tried. Not for two
    threads at once. `is_golden` answers whether a folder's policies give the expected verdicts."""

    def __init__(
        self, opa: Path, policies: Path, folder: Path, is_golden: Callable[[Path], bool] | None
    ) -> None:
        self._opa = opa
        self._copy = folder / "policies"
        self._is_golden = is_golden
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
        golden = self._is_golden is None or self._is_golden(self._copy)
        return self._test("") == 0 and golden

    def _judge(self, mutant: Mutant) -> Judgement:
        stages = [("own tests", own), ("all tests", "")] if (own := _own_tests(mutant)) else []
        for stage, tests in stages or [("all tests", "")]:
            status = self._test(tests)
            if status not in (0, _FAILED_TESTS):
                return Judgement(mutant, "stillborn", "compile")
            if status == _FAILED_TESTS:
                return Judgement(mutant, "killed", stage)
        if self._is_golden is not None and not self._is_golden(self._copy):
            return Judgement(mutant, "killed", "golden")
        return Judgement(mutant, "survived")

    def _test(self, tests: str) -> int:
        chosen = ("--run", tests) if tests else ()
        done = subprocess.run(
            [str(self._opa), "test", *chosen, str(self._copy)],
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return done.returncode


def _own_tests(mutant: Mutant) -> str:
    """The tests beside a module, asked first because they mostly suffice; "" when there is none
    for a part of the policies, or running it alone spares nothing."""
    path = Path(mutant.path)
    if path.suffix != ".rego" or path.parts[0] != "rules":
        return ""
    package = ".".join(("data", *path.parent.parts))
    return "^" + re.escape(f"{package}_test.")
