"""Runs a Markdown page's blocks in order, as a reader would, and compares what is printed.

* ```` ```console ```` holds `$ command` lines, each with the output that a person sees. A line that
  ends in `\\` goes on. Words after `console`: `exit=1` (the exit code, else 0), `background` (left
  running until the end; it has begun when it has printed what is shown).
* ```` ```diff ```` is a change to files: each hunk's old lines stand in the file exactly once.

In expected output `…` is any text within a line, and a line of it alone is any number of lines;
several spaces are any number of spaces, because columns move with what stands in them.
What differs from run to run and is used again (change ids, hashes, revisions, addresses of this
machine with a port of five digits) is written as it once looked: its first showing names it, and
the same text means the same value from there on. So is a number that the words name (`number=17`).
Numbers that a block names with `any=17` are any numbers, in that block's output.
"""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ELLIPSIS = "…"
COMMAND_SECONDS = 120.0
_FENCE = re.compile(r"^```(?P<info>[a-z][^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = r"[0-9a-f]{64}|[0-9]+-[0-9a-f]{16}|c[0-9]{1,6}|127\.0\.0\.1:[0-9]{5}"
_FORMS = (
    (re.compile(r"[0-9]+"), "[0-9]+"),
    (re.compile(r"127.*"), r"127\.0\.0\.1:[0-9]+"),
    (re.compile(r"[0-9a-f]{64}"), "[0-9a-f]{64}"),
    (re.compile(r"[0-9]+-[0-9a-f]{16}"), "[0-9]+-[0-9a-f]{16}"),
    (re.compile(r"c[0-9]+"), "c[0-9]+"),
)


class TutorialError(AssertionError):
    """The page and the product do not agree; says where on the page."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: the words after its fence, its text, the page's line where it begins."""

    words: tuple[str, ...]
    text: str
    line: int

    @property
    def exit_code(self) -> int:
        """What its commands end with."""
        codes = self.told("exit=")
        return int(codes[0]) if codes else 0

    def told(self, word: str) -> list[str]:
        """What stands behind the word, `number=` say, each time."""
        return [one.removeprefix(word) for one in self.words if one.startswith(word)]


@dataclass(frozen=True, slots=True)
class Command:
    """A command, as typed, and the lines that a person sees."""

    typed: str
    expected: tuple[str, ...]
    line: int


def read_blocks(page: str) -> list[Block]:
    """The page's `console` and `diff` blocks, in order."""
    blocks = []
    for found in _FENCE.finditer(page):
        words = tuple(found["info"].split())
        if words[0] in ("console", "diff"):
            line = page.count("\n", 0, found.start()) + 2
            blocks.append(Block(words, found["text"], line))
    return blocks


def read_commands(block: Block) -> list[Command]:
    """The commands of a console block; raises TutorialError for output before any."""
    commands: list[tuple[list[str], list[str], int]] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        is_open = bool(commands) and not commands[-1][1] and commands[-1][0][-1].endswith("\\")
        if line.startswith("$ ") and not is_open:
            commands.append(([line.removeprefix("$ ")], [], number))
        elif not commands:
            raise TutorialError(f"line {number}: output without a command")
        else:
            typed, out, _ = commands[-1]
            (typed if is_open else out).append(line)
    return [Command("\n".join(typed), tuple(out), line) for typed, out, line in commands]


@dataclass
class Bindings:
    """The actual values of what the page names."""

    values: dict[str, str] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    passing: set[str] = field(default_factory=set)

    @property
    def names(self) -> re.Pattern[str]:
        """What is a name: a form of its own, a number that was declared, a value given before."""
        told = sorted({*self.numbers, *self.passing, *self.values}, key=len, reverse=True)
        return re.compile(rf"\b(?:{'|'.join([*map(re.escape, told), _NAMED])})\b")

    def filled(self, text: str) -> str:
        """The text with every named value that is known."""
        return self.names.sub(lambda found: self.values.get(found[0], found[0]), text)

    def match(self, expected: tuple[str, ...], printed: str) -> bool:
        """Whether the output is as expected; then new names are bound."""
        order: list[str] = []
        found = re.fullmatch(self._expression(expected, order), _trimmed(printed.splitlines()))
        if found is None:
            return False
        self.values.update({name: found[f"n{at}"] for at, name in enumerate(order)})
        return True

    def _expression(self, expected: tuple[str, ...], order: list[str]) -> str:
        parts = []
        for line in _trimmed(expected).splitlines():
            if line.strip() == ELLIPSIS:
                parts.append(r"(?:.*\n)*?")
            else:
                parts.append(self._line(line, order) + r"\n")
        return "".join(parts)

    def _line(self, line: str, order: list[str]) -> str:
        parts, at = [], 0
        for found in self.names.finditer(line):
            parts += [_loose(line[at : found.start()]), self._name(found[0], order)]
            at = found.end()
        return "".join([*parts, _loose(line[at:])])

    def _name(self, name: str, order: list[str]) -> str:
        if name in self.passing:
            return "[0-9]+"
        if name in self.values:
            return re.escape(self.values[name])
        if name in order:
            return f"(?P=n{order.index(name)})"
        order.append(name)
        form = next(pattern for kind, pattern in _FORMS if kind.fullmatch(name))
        return f"(?P<n{len(order) - 1}>{form})"


@dataclass
class Tutorial:
    """Runs a page's blocks in a folder of the reader's; `close` ends what was left running."""

    folder: Path
    bindings: Bindings = field(default_factory=Bindings)
    background: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def run(self, block: Block) -> None:
        """Do what the block says; raises TutorialError where the page is wrong."""
        if block.words[0] == "diff":
            apply_diff(block, self.folder)
            return
        self.bindings.numbers.update(block.told("number="))
        self.bindings.passing = set(block.told("any="))
        for command in read_commands(block):
            if "background" in block.words:
                self._start(command)
            else:
                self._run(command, block.exit_code)

    def close(self) -> None:
        """Interrupt what runs in the background, the newest first, as Ctrl-C would."""
        for process in reversed(self.background):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _run(self, command: Command, exit_code: int) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", self.bindings.filled(command.typed)],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode != exit_code or not self.bindings.match(command.expected, done.stdout):
            raise self._disagreement(command, f"exit code {done.returncode}\n{done.stdout}")

    def _start(self, command: Command) -> None:
        output = self.folder / f"background-{len(self.background)}.log"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {self.bindings.filled(command.typed)}"],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.background.append(process)
        deadline = time.monotonic() + COMMAND_SECONDS
        while not self.bindings.match(command.expected, output.read_text(errors="replace")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise self._disagreement(command, output.read_text(errors="replace"))
            time.sleep(0.1)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{commands_folder(self.folder)}:{os.environ['PATH']}",
                "COLUMNS": "80", "TERM": "dumb", "PYTHONUNBUFFERED": "1",
                "LC_ALL": "C.UTF-8"}  # fmt: skip

    def _disagreement(self, command: Command, printed: str) -> TutorialError:
        expected = self.bindings.filled("\n".join(command.expected))
        return TutorialError(
            f"line {command.line} of the page: $ {command.typed}\n"
            f"--- the page says\n{expected}\n--- a reader sees\n{printed}"
        )


def apply_diff(block: Block, folder: Path) -> None:
    """Change files as a unified diff says; line numbers are not looked at."""
    for part in re.split(r"^--- [^\n]*\n\+\+\+ b/", block.text, flags=re.MULTILINE)[1:]:
        name, _, hunks = part.partition("\n")
        path = folder / name
        text = path.read_text(encoding="utf-8")
        for hunk in re.split(r"^@@[^\n]*\n", hunks, flags=re.MULTILINE)[1:]:
            old, new = _side(hunk, "-"), _side(hunk, "+")
            if text.count(old) != 1:
                raise TutorialError(
                    f"line {block.line} of the page: {name} does not have exactly once:\n{old}"
                )
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def commands_folder(folder: Path) -> Path:
    """`gateway`, `collector` and `python` of this installation, in a folder of their own."""
    commands = folder / ".commands"
    if not commands.exists():
        commands.mkdir()
        options = {"python": ""}  # by a script: a link to it would leave the environment
        for name in ("gateway", "collector"):
            code = f"import sys; sys.argv[0] = '{name}'; from {name}.cli import main; main()"
            options[name] = f'-c "{code}"'
        for name, option in options.items():
            script = commands / name
            script.write_text(f'#!/bin/sh\nexec {sys.executable} {option} "$@"\n')
            script.chmod(0o755)
    return commands


def _side(hunk: str, sign: str) -> str:
    return "".join(
        line[1:] if line else line
        for line in hunk.splitlines(keepends=True)
        if line[:1] in (" ", sign)
    )


def _trimmed(lines: "tuple[str, ...] | list[str]") -> str:
    """Without white space at ends of lines and without empty lines around; each line ended."""
    text = "\n".join(line.rstrip() for line in lines).strip("\n")
    return text + "\n" if text else ""


def _loose(text: str) -> str:
    pieces = (re.split(r" {2,}", piece) for piece in text.split(ELLIPSIS))
    return ".*?".join(" +".join(map(re.escape, words)) for words in pieces)
