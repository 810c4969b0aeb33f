"""What is done on the failing disk. A new path is one case here: a scenario that runs there and
tells what leaves it, and what must hold of the folder afterwards."""

from tests.fakes.disk_logs import (
    append_to_new,
    append_with_small_wal,
    assert_log_recovers,
    make_log,
)
from tests.fakes.disk_removals import (
    assert_removals_recover,
    make_log_with_payloads,
    remove_what_is_due,
)
from tests.fakes.disk_sweep import Case
from tests.fakes.disk_trees import (
    archive_as_it_grows,
    assert_archive_recovers,
    assert_export_recovers,
    export_as_it_grows,
)
from tests.fakes.disk_witnesses import (
    assert_collector_remembers,
    assert_witness_remembers,
    cosign_as_it_grows,
    observe_as_it_grows,
)

CASES = (
    Case(append_to_new, assert_log_recovers),
    Case(append_with_small_wal, assert_log_recovers, make_log),
    Case(remove_what_is_due, assert_removals_recover, make_log_with_payloads),
    Case(export_as_it_grows, assert_export_recovers),
    Case(archive_as_it_grows, assert_archive_recovers),
    Case(cosign_as_it_grows, assert_witness_remembers),
    Case(observe_as_it_grows, assert_collector_remembers),
)
