"""The commands of people over the real routes: what they print, and how they end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from gateway import person_cli
from gateway.change_cli import change_app
from gateway.client.person_file import PersonFile
from gateway.client.queue_client import QueueClient
from gateway.errors import GatewayError
from gateway.exception_cli import exception_app
from gateway.identity.subject import Role
from gateway.policy_stage_cli import protect, rollback, stage
from tests.fakes.api import SUBJECTS
from tests.fakes.changes import archive_of, everywhere
from tests.fakes.people import Desk

app = typer.Typer()
app.add_typer(change_app, name="change")
app.add_typer(exception_app, name="exception")
for command in (stage, protect, rollback):
    app.command()(command)


class Terminal:
    """Commands of several people, each with a person file of their own."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self.folder = folder

    def run(self, role: Role, *words: str) -> Result:
        path = self.folder / f"{role}.yaml"
        path.write_text(
            f"gateway: https://gw.example.org\ncertificate: {role}.pem\nkey: k\nca: ca\n"
        )
        result = CliRunner().invoke(app, words, env={"GATEWAY_PERSON": str(path), "COLUMNS": "80"})
        assert result.exception is None or isinstance(result.exception, SystemExit | GatewayError)
        if "--json" not in words:
            assert all(len(line) <= 80 for line in result.stdout.splitlines()), result.stdout
        return result

    def told(self, role: Role, *words: str) -> str:
        """The output of a command that must work."""
        result = self.run(role, *words)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def refused(self, role: Role, *words: str) -> str:
        """The sentence of a command that must be refused."""
        result = self.run(role, *words)
        assert result.exit_code == 1, (result.output, result.exception)
        assert result.stderr.startswith("gateway: ")
        return result.stderr

    def unasked(self, role: Role, *words: str) -> str:
        """The sentence of a command that could not ask."""
        result = self.run(role, *words)
        assert isinstance(result.exception, GatewayError), result.output
        return str(result.exception)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    desk = Desk()

    @contextmanager
    def open_queue(person: PersonFile) -> Iterator[QueueClient]:
        with desk.client(SUBJECTS[Role(person.certificate.stem)]) as queue:
            yield queue

    monkeypatch.setattr(person_cli, "open_queue", open_queue)
    (tmp_path / "new.tar.gz").write_bytes(archive_of(2))
    return Terminal(desk, tmp_path)


def staged(terminal: Terminal, *losses: str) -> tuple[str, str]:
    """Id and bundle of a change that waits for its approval."""
    archive = str(terminal.folder / "new.tar.gz")
    value = json.loads(
        terminal.told(Role.AUTHOR, "stage", archive, "--justification", "new rule", "--json")
    )
    id = str(value["id"])
    terminal.desk.run(terminal.desk.queue.test(id))
    terminal.desk.run(terminal.desk.queue.assess(id, *losses))
    return id, str(terminal.desk.queue.state.changes[id].subject["bundle"])


APPROVE = ("--approval-id", "T-1", "--justification", "it is right")


def test_a_change_from_staging_to_approval(terminal: Terminal) -> None:
    id, bundle = staged(terminal, "a@prod/eu X/1", "b@prod/eu X/1")
    listed = terminal.told(Role.AUDITOR, "change", "list")
    assert listed.startswith("In force: 1-")
    assert "an approver who is not ann" in " ".join(listed.split())
    shown = terminal.told(Role.APPROVER, "change", "show", id)
    for part in (bundle[:40], "a@prod/eu X/1", "b@prod/eu X/1", "2 would lose protection"):
        assert part in shown
    approve = ("change", "approve", id, *APPROVE)
    assert "name its hash" in terminal.refused(Role.APPROVER, *approve)
    wrong = terminal.refused(Role.APPROVER, *approve, "--bundle", "0" * 64)
    assert "not the one that you name" in wrong
    right = (*approve, "--bundle", bundle)
    assert "2 seen would lose protection" in terminal.refused(Role.APPROVER, *right)
    one = ("--accept-losses", "a@prod/eu X/1")
    assert "missing: b@prod/eu X/1" in terminal.refused(Role.APPROVER, *right, *one)
    losses = terminal.folder / "losses.txt"
    losses.write_text("b@prod/eu X/1\n\n")
    done = terminal.told(Role.APPROVER, *right, *one, "--losses-file", str(losses))
    assert "approved" in done


def test_a_role_that_may_not_is_told_so(terminal: Terminal) -> None:
    id, bundle = staged(terminal)
    sentence = terminal.refused(Role.AUTHOR, "change", "approve", id, *APPROVE, "--bundle", bundle)
    assert "role author may not call" in sentence


def test_a_rollout_is_shown_halted_and_ended(terminal: Terminal) -> None:
    id, bundle = staged(terminal)
    terminal.told(Role.APPROVER, "change", "approve", id, *APPROVE, "--bundle", bundle)
    queue = terminal.desk.queue
    terminal.desk.run(queue.step(id, 0, [everywhere(200), everywhere()]))
    shown = terminal.told(Role.AUTHOR, "change", "show", id)
    assert "everywhere, 20 % of collectors  now" in shown
    why = ("--justification", "errors in the canary")
    assert "halted" in terminal.told(Role.AUTHOR, "rollback", *why)
    assert "asked for by" in terminal.told(Role.AUTHOR, "change", "show", id)
    assert "halted already" in terminal.refused(Role.AUTHOR, "rollback", *why)
    assert "ended" in terminal.told(Role.APPROVER, "change", "reject", id, *why)
    assert "Nothing waits." in terminal.told(Role.AUTHOR, "change", "list")
    assert "ended" in terminal.told(Role.AUTHOR, "change", "list", "--all")


def test_protect_and_confirm(terminal: Terminal) -> None:
    told = terminal.told(Role.OPERATOR, "protect", "--glob", "ledger-*", "--reason", "an audit")
    id = told.split()[0]
    assert "waits for an approver who is not cy (it holds already)" in told
    assert "active" in terminal.told(Role.APPROVER, "change", "approve", id, *APPROVE)


def test_an_exception_from_asking_to_its_end(terminal: Terminal) -> None:
    words = ("--rule", "SOFT/1", "--glob", "batch-*", "--reason", "full disks", "--for", "2d")
    id = terminal.told(Role.AUTHOR, "exception", "grant", *words).split()[0]
    assert "No exception" in terminal.told(Role.AUDITOR, "exception", "list")
    terminal.told(Role.APPROVER, "change", "approve", id, *APPROVE)
    listed = " ".join(terminal.told(Role.AUDITOR, "exception", "list").split())
    for part in (id, "SOFT/1", "glob batch-*", "(ann; approved by bob)", "full disks"):
        assert part in listed
    why = ("--justification", "no longer")
    assert "ended" in terminal.told(Role.AUTHOR, "exception", "revoke", id, *why)
    hard = ("--rule", "HARD/1", "--glob", "b-*", "--reason", "x", "--for", "1h")
    assert "HARD/1 is hard" in terminal.refused(Role.AUTHOR, "exception", "grant", *hard)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("protect", "--reason", "x"), "exactly one of --regex and --glob"),
        (
            ("exception", "grant", "--rule", "r", "--glob", "a", "--reason", "x", "--for", "1w"),
            "hours or days",
        ),
        (("stage", "none.tar.gz", "--justification", "x"), "none.tar.gz: No such file"),
        (
            ("exception", "grant", "--rule", "r", "--regex", "a", "--reason", "x", "--for", "1h"),
            "must match whole names",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    terminal: Terminal, words: tuple[str, ...], complaint: str
) -> None:
    assert complaint in terminal.unasked(Role.AUTHOR, *words)


def test_json_is_for_machines(terminal: Terminal) -> None:
    id, _ = staged(terminal)
    for words in (("change", "list"), ("change", "show", id), ("exception", "list")):
        path = terminal.folder / "author.yaml"
        answer = CliRunner().invoke(app, [*words, "--json", "--person", str(path)])
        assert isinstance(json.loads(answer.output), dict)


def test_nobody_is_asked_for_without_a_person(terminal: Terminal) -> None:
    result = CliRunner().invoke(app, ["change", "list"], env={"GATEWAY_PERSON": ""})
    assert "GATEWAY_PERSON" in str(result.exception)
