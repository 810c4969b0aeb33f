"""docs/auditing.md as a reader follows it: every command, in order, with what it prints."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.demo.workplace import make_workplace, source_root
from gateway.transparency.verdict import Flag, Word
from tests.fakes.tutorial import Bindings, Tutorial, read_blocks, read_commands
from tests.interop.programs import part

PAGE = source_root() / "docs" / "auditing.md"
LEAST_COMMANDS = 35


def months() -> dict[str, str]:
    """The page's months, as of today."""
    today = datetime.now(UTC).replace(day=1)
    after = (today + timedelta(days=31)).replace(day=1)
    return {
        "2026-11-01": f"{today:%Y-%m-%d}",
        "2026-12-01": f"{after:%Y-%m-%d}",
        "2026-11": f"{today:%Y-%m}",
    }


@pytest.fixture
def tutorial(tmp_path: Path) -> Iterator[Tutorial]:
    """A checkout in which `make demo` has made its folder."""
    part("fsck")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / ".parts").symlink_to(source_root() / ".parts")
    make_workplace(checkout / ".demo", SystemClock())
    reader = Tutorial(checkout, Bindings(months()))
    try:
        yield reader
    finally:
        reader.close()


@pytest.mark.opa
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_reader_sees_what_the_page_says(tutorial: Tutorial) -> None:
    blocks = read_blocks(PAGE.read_text(encoding="utf-8"))
    commands = [
        one for block in blocks if block.words[0] == "console" for one in read_commands(block)
    ]
    assert len(commands) >= LEAST_COMMANDS
    for block in blocks:
        tutorial.run(block)


def test_the_page_explains_every_word_of_a_verdict() -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    for word in {*Word, *Flag}:
        assert any(f"`{word}`" in cell for cell in told), word


def test_numbers_and_addresses_are_names_when_the_page_says_so() -> None:
    bindings = Bindings({"2026-11": "2031-02"})
    bindings.numbers.add("17")
    assert bindings.match(("entry 17 of 2026-11 at 127.0.0.1:59827",),
                          "entry 4711 of 2031-02 at 127.0.0.1:40001\n")  # fmt: skip
    assert bindings.filled("17 18 127.0.0.1:59827") == "4711 18 127.0.0.1:40001"
    assert not bindings.match(("entry 17",), "entry 12\n")
    bindings.passing = {"28"}
    assert bindings.match(("28 of 28 and 17",), "3 of 30 and 4711\n")
    assert not bindings.match(("28 of 28",), "3 of x\n")
    assert not Bindings().match(("entry 17",), "entry 12\n")
