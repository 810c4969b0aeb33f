import asyncio
from dataclasses import replace

import pytest

from gateway import canonical
from gateway.audit.port import Draft
from gateway.bundles.folder import Bundle
from gateway.changes.activation import (
    Activation,
    Candidate,
    Justification,
    activate,
    activation_of,
    active_policy,
    verify_activation,
    verify_declaration,
    verify_successor,
)
from gateway.clock import ManualClock
from gateway.decisions.floor import Floor, FloorFile, parse_rows
from gateway.errors import BundleError, ConfigError, LogUnavailableError
from gateway.transparency.entry import Entry, parse_entry
from gateway.wire.classes import ClassDeclaration
from tests.fakes.decisions import DAY_US, DECLARATION
from tests.fakes.engine import FakeEngine
from tests.fakes.log import ACTOR, MemoryLog

WHY = Justification("ann", "quarterly review", "CHG-7")
ROW = {"id": "a", "regex": "^a", "control": "c", "reason": "r"}
WINDOW = {"name": "w", "zone": "UTC", "days": ["mon"], "from": "09:00", "to": "18:00"}


class MemoryActivations:
    """Activations in a list, which must come after their entry."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.added: list[tuple[Activation, bytes, bytes]] = []

    def newest(self) -> Activation | None:
        return self.added[-1][0] if self.added else None

    def add(self, activation: Activation, archive: bytes, floor_note: bytes) -> None:
        assert activation.number < len(self.log.entries)
        self.added.append((activation, archive, floor_note))


def bundle(version: int = 7, mark: str = "a", declared: ClassDeclaration = DECLARATION) -> Bundle:
    return Bundle(
        files={},
        version=version,
        hash=mark * 64,
        revision=f"{version}-{mark}",
        class_declaration=declared,
        windows=(WINDOW,),
        never_filter=(),
        data={},
        archive=b"archive",
    )


def floor_file(version: int, *rows: dict[str, str]) -> FloorFile:
    return FloorFile(version, parse_rows(rows, "test"))


def candidate(found: Bundle | None = None, floor: FloorFile | None = None) -> Candidate:
    return Candidate(found or bundle(), Floor(floor, ()), b"note" if floor else b"")


def put_in_force(
    log: MemoryLog, activations: MemoryActivations, wanted: Candidate, *extra: Draft
) -> Activation:
    before = activations.newest()
    return asyncio.run(activate(log, activations, wanted, before, WHY, ACTOR, ManualClock(), extra))


def test_an_activation_is_recorded_with_who_what_and_why_before_it_is_in_force() -> None:
    log = MemoryLog()
    activations = MemoryActivations(log)
    first = put_in_force(log, activations, candidate())
    second = put_in_force(log, activations, candidate(bundle(8, "b")), Draft("x", ACTOR, b"{}"))
    assert (first.number, second.number) == (1, 2)
    assert activations.newest() == second
    body = log.bodies("bundle.activated")[1]
    assert body["activation"] == second.number
    assert body["change"] == {
        "approval_id": "CHG-7",
        "change_type": "bundle.activate",
        "justification": "quarterly review",
        "new_value": f"8-b floor {second.floor}",
        "previous_value": f"7-a floor {first.floor}",
        "user": "ann",
    }
    assert activations.added[1][1:] == (b"archive", b"")


def test_a_failed_append_puts_nothing_in_force() -> None:
    log = MemoryLog()
    activations = MemoryActivations(log)
    log.failing = "disk full"
    with pytest.raises(LogUnavailableError):
        put_in_force(log, activations, candidate())
    assert activations.newest() is None


@pytest.mark.parametrize("hidden", DECLARATION.attributes)
def test_a_bundle_that_would_blind_the_floor_is_refused_before_it_is_recorded(hidden: str) -> None:
    declared = ClassDeclaration(
        tuple(name for name in DECLARATION.attributes if name != hidden), (1000,)
    )
    log = MemoryLog()
    with pytest.raises(BundleError, match=hidden):
        put_in_force(log, MemoryActivations(log), candidate(bundle(declared=declared)))
    assert len(log.entries) == 1
    with pytest.raises(BundleError, match=hidden):
        verify_declaration(declared)


BEFORE = Activation(3, "a" * 64, "7-a", 7, "f" * 64, 0)


def test_the_same_bundle_or_a_newer_one_may_follow() -> None:
    verify_successor(BEFORE, None, candidate(bundle(7, "a")))
    verify_successor(BEFORE, None, candidate(bundle(8, "b")))


@pytest.mark.parametrize("version", [6, 7])
def test_an_older_or_equal_version_of_another_bundle_may_not(version: int) -> None:
    with pytest.raises(BundleError, match="not newer"):
        verify_successor(BEFORE, None, candidate(bundle(version, "b")))


def test_a_floor_may_only_grow_and_only_with_its_version() -> None:
    old = floor_file(2, ROW)
    other = {**ROW, "id": "b", "regex": "^b"}
    verify_successor(BEFORE, old, candidate(floor=floor_file(2, ROW)))
    verify_successor(BEFORE, old, candidate(floor=floor_file(3, ROW, other)))
    refused = [
        (None, "taken away"),
        (floor_file(1, ROW), "version 2 or newer"),
        (floor_file(3, other), "would lose a"),
        (floor_file(3, {**ROW, "regex": "^ab"}), "would lose a"),
        (floor_file(2, ROW, other), "two different floors"),
    ]
    for floor, message in refused:
        with pytest.raises(BundleError, match=message):
            verify_successor(BEFORE, old, candidate(floor=floor))


def test_the_policy_in_force_expires_with_the_bundle_s_age() -> None:
    activation = replace(BEFORE, activated_us=5)
    policy = active_policy(activation, candidate(), FakeEngine(), 90)
    assert policy.expires_us == 5 + 90 * DAY_US
    assert policy.max_age_seconds == 90 * 86_400
    assert policy.ref.activation == 3
    assert policy.schedule.windows[0].name == "w"


def recorded(row: Activation, **changed: canonical.Value) -> Entry:
    """The entry that put the row in force; `changed` are members of its body."""
    body: dict[str, canonical.Value] = {
        "activation": row.number,
        "bundle": row.bundle,
        "floor": row.floor,
        "revision": row.revision,
        "version": row.version,
    }
    return Entry("o", row.number, b"", 5, "bundle.activated", ACTOR, {**body, **changed})


def test_a_row_that_its_entry_bears_out_is_accepted_and_so_is_a_new_log() -> None:
    verify_activation(BEFORE, recorded(BEFORE))
    verify_activation(None, None)


@pytest.mark.parametrize(
    ("row", "entry", "message"),
    [
        (None, recorded(BEFORE), "no activation is stored, but the log's entry 3 .* missing"),
        (replace(BEFORE, number=1), recorded(BEFORE), "1 is stored, but .* entry 3 .* missing"),
        (replace(BEFORE, number=9), recorded(BEFORE), "last entry of an activation is 3"),
        (BEFORE, None, "no entry"),
        (BEFORE, replace(recorded(BEFORE), type="x"), "is a x"),
        (BEFORE, recorded(BEFORE, activation=4), "another activation"),
        (replace(BEFORE, bundle="b" * 64), recorded(BEFORE), "another bundle"),
        (replace(BEFORE, floor="a" * 64), recorded(BEFORE), "another floor"),
        (replace(BEFORE, revision="6-a"), recorded(BEFORE), "another revision"),
        (replace(BEFORE, version=6), recorded(BEFORE), "another version"),
    ],
)
def test_a_row_that_differs_from_the_log_is_refused_with_the_mend(
    row: Activation | None, entry: Entry | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        verify_activation(row, entry)
    assert "run `gateway policy activate`" in str(refused.value)


def test_the_log_alone_tells_what_was_activated_last() -> None:
    """A deleted row must not let an older bundle follow: the log's own record is compared with."""
    log = MemoryLog()
    activations = MemoryActivations(log)
    row = asyncio.run(activate(log, activations, candidate(), None, WHY, ACTOR, ManualClock()))
    entry = parse_entry(log.entries[row.number])
    assert replace(activation_of(entry), activated_us=0) == replace(row, activated_us=0)


def test_an_entry_of_another_shape_is_no_activation() -> None:
    with pytest.raises(ConfigError, match="entry 4 is no activation"):
        activation_of(Entry("o", 4, b"", 5, "bundle.activated", ACTOR, {"bundle": "x"}))
