"""docs/authoring.md as a reader follows it: every command, in order, with what it prints."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.demo.workplace import make_workplace, source_root
from tests.fakes.tutorial import (
    Bindings,
    Block,
    Command,
    Tutorial,
    TutorialError,
    apply_diff,
    read_blocks,
    read_commands,
)

PAGE = source_root() / "docs" / "authoring.md"
LEAST_COMMANDS = 30


@pytest.fixture
def tutorial(tmp_path: Path) -> Iterator[Tutorial]:
    """A checkout in which `make demo` has made its folder."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shutil.copytree(source_root() / "policies", checkout / "policies")
    (checkout / ".parts").symlink_to(source_root() / ".parts")
    (checkout / "docs").mkdir()
    make_workplace(checkout / ".demo", SystemClock())
    reader = Tutorial(checkout)
    try:
        yield reader
    finally:
        reader.close()


@pytest.mark.opa
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_reader_sees_what_the_page_says(tutorial: Tutorial) -> None:
    blocks = read_blocks(PAGE.read_text(encoding="utf-8"))
    commands = [
        one for block in blocks if block.words[0] == "console" for one in read_commands(block)
    ]
    assert len(commands) >= LEAST_COMMANDS
    for block in blocks:
        tutorial.run(block)


def console(text: str, *words: str) -> Block:
    return Block(("console", *words), text, 1)


def test_a_page_that_says_something_else_is_found(tmp_path: Path) -> None:
    reader = Tutorial(tmp_path)
    reader.run(console("$ echo one; echo two\none\ntwo\n"))
    for wrong in ("$ echo one\ntwo\n", "$ echo one\n", "$ true\none\n", "$ exit 1\n"):
        with pytest.raises(TutorialError, match=r"line 1 of the page: \$ "):
            reader.run(console(wrong))
    reader.run(console("$ echo no; exit 1\nno\n", "exit=1"))
    with pytest.raises(TutorialError):
        reader.run(console("$ echo no\nno\n", "exit=1"))


def test_what_varies_is_written_as_an_ellipsis() -> None:
    bindings = Bindings()
    assert bindings.match(("a … d", "…", "z"), "a b c d\nx\ny\nz\n")
    assert bindings.match(("…", "z"), "z\n")
    assert not bindings.match(("a … d", "z"), "a b c d\nx\nz\n")
    assert bindings.match(("name    …    0",), "name 1234     0\n")
    assert not bindings.match(("name    …    0",), "name 1234     1\n")


def test_a_name_is_one_value_throughout(tmp_path: Path) -> None:
    reader = Tutorial(tmp_path)
    reader.run(console("$ echo c41 c41 c50\nc1 c1 c2\n$ echo c1\nc1\n"))
    assert reader.bindings.values == {"c1": "c41", "c2": "c50"}
    with pytest.raises(TutorialError):
        reader.run(console("$ echo c50\nc1\n"))
    assert not Bindings().match(("c1 c1",), "c41 c42\n")


def test_a_long_command_goes_on_in_the_next_line() -> None:
    block = console("$ echo a \\\n    b\na b\n$ true\n")
    assert read_commands(block) == [
        Command("echo a \\\n    b", ("a b",), 1),
        Command("true", (), 4),
    ]


def test_background_waits_for_what_it_prints_and_is_ended(tmp_path: Path) -> None:
    reader = Tutorial(tmp_path)
    reader.run(console("$ sh -c 'echo begun; exec sleep 60'\nbegun\n", "background"))
    [process] = reader.background
    assert process.poll() is None
    reader.close()
    assert process.poll() is not None
    with pytest.raises(TutorialError):
        reader.run(console("$ echo other\nbegun\n", "background"))


def test_a_diff_changes_one_place_or_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("x:\n  - one\n  - two\n", encoding="utf-8")
    diff = "--- a/a.yaml\n+++ b/a.yaml\n@@\n x:\n+  - none\n   - one\n"
    apply_diff(Block(("diff",), diff, 1), tmp_path)
    assert path.read_text(encoding="utf-8") == "x:\n  - none\n  - one\n  - two\n"
    with pytest.raises(TutorialError, match=r"a\.yaml does not have exactly once"):
        apply_diff(Block(("diff",), diff, 1), tmp_path)
