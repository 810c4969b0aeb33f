"""What is done on the failing disk. A new path is one case here: a scenario that runs there and
tells what leaves it, and what must hold of the folder afterwards."""

from tests.fakes.disk_logs import (
    append_to_new,
    append_with_small_wal,
    assert_log_recovers,
    make_log,
)
from tests.fakes.disk_sweep import Case

CASES = (
    Case(append_to_new, assert_log_recovers),
    Case(append_with_small_wal, assert_log_recovers, make_log),
)
