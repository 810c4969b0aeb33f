"""`gateway audit purge`, `erase` and `hold` over the real routes, and what `gateway change` says of
what they ask for."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from gateway import person_cli
from gateway.audit_erase_cli import MAX_CLASSES, erase, erasure_portions
from gateway.audit_hold_cli import hold_app
from gateway.audit_purge_cli import purge, purge_subjects
from gateway.change_cli import change_app
from gateway.changes.deed_port import DueEntries
from gateway.changes.deed_subjects import MAX_MONTH_KEYS
from gateway.client.person_file import PersonFile
from gateway.client.queue_client import QueueClient
from gateway.errors import GatewayError
from gateway.identity.subject import Role
from tests.fakes.api import SUBJECTS
from tests.fakes.deeds import ABROAD, SPRING, class_id, key_of
from tests.fakes.people import Desk

app = typer.Typer()
app.add_typer(change_app, name="change")
app.add_typer(hold_app, name="hold")
app.command()(purge)
app.command()(erase)

WHY = ("--justification", "it is time")
APPROVE = ("--approval-id", "T-1", "--justification", "it is right")


class Terminal:
    """Commands of several people; `told` must work, `refused` must end with 1."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self.folder = folder

    def run(self, role: Role, *words: str) -> Result:
        path = self.folder / f"{role}.yaml"
        path.write_text(f"gateway: https://gw\ncertificate: {role}.pem\nkey: k\nca: ca\n")
        result = CliRunner().invoke(app, words, env={"GATEWAY_PERSON": str(path), "COLUMNS": "80"})
        assert result.exception is None or isinstance(result.exception, SystemExit | GatewayError)
        if "--json" not in words:
            assert all(len(line) <= 80 for line in result.stdout.splitlines()), result.stdout
        return result

    def told(self, role: Role, *words: str) -> str:
        result = self.run(role, *words)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def id_of(self, role: Role, *words: str) -> str:
        value = json.loads(self.told(role, *words, "--json"))
        [change] = value.get("changes", [value])
        return str(change["id"])

    def refused(self, role: Role, *words: str) -> str:
        result = self.run(role, *words)
        assert result.exit_code == 1, (result.output, result.exception)
        return result.stderr

    def act(self) -> None:
        self.desk.run(self.desk.queue.act())


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    desk = Desk()
    removals = desk.queue.removals
    removals.classes = {
        class_id(number): (SPRING, {"process.owner": "alice" if number < 2 else "bob"})
        for number in range(3)
    }
    removals.entries = [DueEntries(0, 1023, "2019-01", "2019-04")]

    @contextmanager
    def open_queue(person: PersonFile) -> Iterator[QueueClient]:
        with desk.client(SUBJECTS[Role(person.certificate.stem)]) as queue:
            yield queue

    monkeypatch.setattr(person_cli, "open_queue", open_queue)
    return Terminal(desk, tmp_path)


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_purge_is_shown_first_and_asked_for_only_with_stage(terminal: Terminal) -> None:
    shown = words(terminal.told(Role.AUDITOR, "purge"))
    assert "2026-03 eu-west-1 standard 3" in shown
    assert "0 to 1023 2019-01 to 2019-04" in shown
    assert "3 payloads of 2 month keys and 1,024 entries may go" in shown
    assert terminal.desk.queue.state.changes == {}
    asked = words(terminal.told(Role.AUTHOR, "purge", "--stage", *WHY))
    assert "purge 3 payloads of 2026-03 (2 month keys): staged" in asked
    assert "purge entries 0 to 1023 of 2019-01 to 2019-04: staged" in asked
    assert "waits for an approver who is not ann" in asked


def test_what_a_hold_keeps_is_shown_and_not_asked_for(terminal: Terminal) -> None:
    hold = terminal.id_of(
        Role.APPROVER, "hold", "place", "--region", "us-east-1", "--from", "2026-01", *WHY
    )
    shown = words(terminal.told(Role.AUDITOR, "purge"))
    assert f"2026-03 us-east-1 pci 0 {hold}" in shown
    listed = words(terminal.told(Role.AUDITOR, "hold", "list"))
    assert f"{hold} us-east-1, any class, 2026-01 to the end" in listed
    terminal.told(Role.AUTHOR, "purge", "--stage", *WHY)
    [months, _entries] = [
        change.subject
        for change in terminal.desk.queue.state.changes.values()
        if change.kind == "purge"
    ]
    assert months["month_keys"] == [key_of(SPRING)]


def test_an_approver_sees_what_exactly_is_removed_and_a_gateway_does_it(
    terminal: Terminal,
) -> None:
    match = ("erase", "--attribute", "process.owner=alice", "--request", "DSR-7")
    shown = words(terminal.told(Role.AUTHOR, *match))
    assert "2026-03 eu-west-1 standard 2" in shown
    assert "2 classes match; --stage asks for the erasure." in shown
    id = terminal.id_of(Role.AUTHOR, *match, "--stage", *WHY)
    listed = words(terminal.told(Role.APPROVER, "change", "list"))
    assert "erasure staged 2 payloads" in listed
    detail = words(terminal.told(Role.APPROVER, "change", "show", id))
    assert "what exactly destroys 2 payloads with key and salt, for request DSR-7" in detail
    assert "waits for an approver who is not ann" in detail
    assert "approved" in terminal.told(Role.APPROVER, "change", "approve", id, *APPROVE)
    terminal.act()
    [removal] = terminal.desk.queue.log.removals
    assert removal.class_ids == (class_id(0), class_id(1))
    assert "erasure, active" in words(terminal.told(Role.AUDITOR, "change", "show", id))


def test_a_hold_ends_by_two_people(terminal: Terminal) -> None:
    hold = terminal.id_of(Role.APPROVER, "hold", "place", *WHY)
    assert "needs no approval" in terminal.refused(
        Role.APPROVER, "change", "approve", hold, *APPROVE
    )
    assert "hold release" in terminal.refused(Role.APPROVER, "change", "reject", hold, *WHY)
    release = terminal.id_of(Role.AUTHOR, "hold", "release", hold, *WHY)
    assert release in terminal.told(Role.AUDITOR, "hold", "list")
    detail = words(terminal.told(Role.APPROVER, "change", "show", release))
    assert f"ends hold {hold} of " in detail
    terminal.told(Role.APPROVER, "change", "approve", release, *APPROVE)
    terminal.act()
    assert terminal.told(Role.AUDITOR, "hold", "list") == "Nothing is held.\n"


def test_what_is_kept_back_by_a_later_hold_says_so(terminal: Terminal) -> None:
    match = ("erase", "--attribute", "process.owner=bob", "--request", "DSR-8")
    id = terminal.id_of(Role.AUTHOR, *match, "--stage", *WHY)
    hold = terminal.id_of(Role.APPROVER, "hold", "place", *WHY)
    assert f"hold {hold} keeps it" in terminal.refused(
        Role.APPROVER, "change", "approve", id, *APPROVE
    )
    detail = words(terminal.told(Role.APPROVER, "change", "show", id))
    assert f"kept by hold {hold}: not done while it stands" in detail
    assert terminal.told(Role.AUTHOR, *match, "--stage", *WHY) == "Nothing to ask for.\n"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("purge", "--stage"), "--justification"),
        (("erase", "--attribute", "alice", "--request", "R"), "NAME=VALUE"),
        (("erase", "--attribute", "a=1", "--attribute", "a=2", "--request", "R"), "only one"),
    ],
)
def test_bad_options_are_one_sentence(terminal: Terminal, said: tuple[str, ...], why: str) -> None:
    result = terminal.run(Role.AUTHOR, *said)
    assert why in str(result.exception)


def test_a_role_that_may_not_ask_is_told_so(terminal: Terminal) -> None:
    assert "may not call" in terminal.refused(Role.AUDITOR, "purge", "--stage", *WHY)


def test_much_is_asked_for_in_portions() -> None:
    months = [{"key": f"{key_of(ABROAD)[:-2]}{n:04}", "kept_by": []} for n in range(401)]
    due = {"months": months, "entries": []}
    sizes = [len(subject["month_keys"]) for subject in purge_subjects(due)]
    assert sizes == [MAX_MONTH_KEYS, MAX_MONTH_KEYS, 1]
    classes = [[class_id(n), key_of(SPRING)] for n in range(MAX_CLASSES + 1)]
    found = {"classes": classes, "months": [{"key": key_of(SPRING), "kept_by": []}]}
    assert [len(portion) for portion in erasure_portions(found)] == [MAX_CLASSES, 1]
    spread = {
        "classes": [[class_id(n), f"m{n}"] for n in range(201)],
        "months": [{"key": f"m{n}", "kept_by": ["c1"] if n == 7 else []} for n in range(201)],
    }
    assert [len(portion) for portion in erasure_portions(spread)] == [200]
