"""The register of customisations."""

import json
from datetime import date
from pathlib import Path

import pytest

from gateway import policy_register_cli
from gateway.authoring.data_rows import read_table
from gateway.authoring.register import make_register
from gateway.errors import InputError
from tests.unit.authoring.small_bundle import run_command, small_files, write_bundle

TODAY = date(2026, 11, 25)


def test_overdue_ones_stand_first_the_longest_overdue_on_top() -> None:
    register = make_register(read_table(small_files()), TODAY)
    assert [(entry.id, entry.is_overdue) for entry in register.entries[:4]] == [
        ("base-critical", True),
        ("part", True),
        ("BASE/score", True),
        ("PCI/1", False),
    ]
    assert len(register.entries) == 9


def test_something_is_overdue_from_the_day_after() -> None:
    table = read_table(small_files())
    names = [
        {entry.id for entry in make_register(table, day).overdue}
        for day in (TODAY, date(2026, 11, 26))
    ]
    assert "pci-payments" not in names[0]
    assert "pci-payments" in names[1]


def test_what_nobody_owns_is_told() -> None:
    files = {
        "data/x/data.yaml": b"x: [{id: a, owner: t}, {id: b, owner: t, review_due: '2027-01-01'}]"
    }
    register = make_register(read_table(files), TODAY)
    assert [entry.id for entry in register.unowned] == ["a"]
    assert register.record("policies")["unowned"] == 1


def test_a_reason_that_policies_copy_is_no_customisation() -> None:
    register = make_register(read_table(small_files()), TODAY)
    assert "baseline.note" not in [entry.id for entry in register.entries]
    assert register.unowned == []


def test_each_entry_says_all_of_it() -> None:
    register = make_register(read_table(small_files()), TODAY)
    record = register.record("policies")
    (entry,) = [entry for entry in record["entries"] if entry["id"] == "pci-payments"]
    assert entry == {
        "id": "pci-payments",
        "list": "pci.never_filter",
        "pattern": "regex ^payment-",
        "control": "PCI/1",
        "owner": "payments",
        "review_due": "2026-11-25",
        "overdue": False,
        "place": "policies/data/pci/data.yaml:3",
    }


@pytest.mark.parametrize(
    ("as_of", "flags", "status"),
    [
        ("2026-11-25", [], 0),
        ("2026-11-25", ["--fail-overdue"], 1),
        ("2024-01-01", ["--fail-overdue"], 0),
    ],
)
def test_overdue_reviews_fail_only_when_asked(
    as_of: str, flags: list[str], status: int, tmp_path: Path
) -> None:
    folder = write_bundle(tmp_path / "b", small_files())
    command = (policy_register_cli.register, folder, "--as-of", as_of, *flags)
    assert run_command(*command).exit_code == status
    result = run_command(*command, "--json")
    assert result.exit_code == status
    assert json.loads(result.stdout)["as_of"] == as_of


def test_the_command_shows_overdue_ones_on_top_in_80_columns(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", small_files())
    result = run_command(policy_register_cli.register, folder, "--as-of", "2026-11-25")
    lines = result.stdout.splitlines()
    assert "9 customisations as of 2026-11-25: 3 overdue" in lines[0]
    assert lines[2].split() == ["base-critical", "base", "2025-01-01", "OVERDUE"]
    assert max(len(line) for line in lines if str(folder) not in line) <= 80


def test_a_day_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", small_files())
    result = run_command(policy_register_cli.register, folder, "--as-of", "tomorrow")
    assert isinstance(result.exception, InputError)
