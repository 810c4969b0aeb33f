"""Every call that writes fails in turn, below the database: failed, failed but persisted, killed
before, after or in its midst, once or from then on. Then the log starts as always: what was
answered stands, no place is given twice, every checkpoint that was signed or left is of these
entries. And the machine dies at some moment after the fault.

`make faults-disk` runs each call in each way; here a sample, whose seed is printed.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.disk_cases import CASES
from tests.fakes.disk_child import Child, End, child
from tests.fakes.disk_sweep import Bench, Case, deaths_of, faults_of, seeded
from tests.fakes.failing_disk import why_not

pytestmark = [
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.timeout(3_600),
]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    with child(tmp_path_factory.mktemp("child")) as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whatever_write_fails_what_left_the_process_stands(
    case: Case, process: Child, tmp_path: Path
) -> None:
    randomness = seeded(str(case))
    bench = Bench(case, process, tmp_path)
    measured = bench.run().run
    assert measured.end is End.FINISHED
    assert not measured.struck
    for fault in faults_of(measured.calls, randomness):
        bench.strike(fault, randomness)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whenever_the_machine_dies_what_left_the_process_stands(
    case: Case, process: Child, tmp_path: Path
) -> None:
    bench = Bench(case, process, tmp_path)
    made = bench.run()
    assert made.run.end is End.FINISHED
    for death in deaths_of(made.run.calls, seeded(str(case))):
        bench.die(made, death)
