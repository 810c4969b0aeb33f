"""Which witnesses must have cosigned a checkpoint (https://c2sp.org/tlog-policy).

log <vkey> [<url>]
witness <name> <vkey> [<url>]
group <name> any|all|<k> <name>...
quorum <name>|none
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gateway.errors import VerificationError
from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.cosignature import (
    Cosignature,
    CosignatureVerifier,
    open_cosignatures,
)
from gateway.transparency.errors import NoteError, PolicyError, UnsignedError
from gateway.transparency.notes import Verifier

MAX_POLICY_CHARACTERS = 256 * 1024
MAX_LINES_OF_A_KIND = 256  # the specification recommends at least 32 logs, witnesses, groups

T = TypeVar("T")

_NONE = "none"
_FORBIDDEN = re.compile(r"[^\t\n\x20-\x7e\x80-\U0010ffff]")
_BLANK = re.compile(r"[ \t]+")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log that the policy accepts; the key's name is the log's origin."""

    verifier: Verifier
    url: str | None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness by the policy's own name for it."""

    name: str
    verifier: CosignatureVerifier
    url: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses a checkpoint when at least `threshold` of its members do."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class WitnessPolicy:
    """Known logs, known witnesses, and the quorum: the name of a witness or group, or `none`."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[Group, ...]
    quorum: str

    def is_met(self, note: str) -> bool:
        """Whether as many witnesses cosigned this checkpoint as the quorum asks for, so that it is
        an outside anchor, and one of the policy's logs signed it where the policy names any.

        Never with `quorum none`: nobody outside vouches for it then. Where the policy names no
        log, opening the note with the log's key (`open_checkpoint`) is the caller's.
        """
        try:
            if self.logs:
                self._open(note)
            cosigned = set(self.cosigners(note))
        except VerificationError:
            return False
        return _is_witnessed(self.quorum, cosigned, {group.name: group for group in self.groups})

    def cosigners(self, note: str) -> tuple[str, ...]:
        """The names (the policy's) of the witnesses that cosigned; raises NoteError, and
        SignatureError where a known witness's line is wrong."""
        keys = {cosignature.verifier for cosignature in self.cosignatures(note)}
        return tuple(witness.name for witness in self.witnesses if witness.verifier in keys)

    def cosignatures(self, note: str) -> tuple[Cosignature, ...]:
        """The known witnesses' cosignatures with their times; raises as `cosigners`."""
        return open_cosignatures(note, [witness.verifier for witness in self.witnesses])

    def _open(self, note: str) -> None:
        for log in self.logs:
            try:
                open_checkpoint(note, log.verifier)
            except UnsignedError:
                continue
            return
        raise UnsignedError("no log of the policy signed the checkpoint")


def _is_witnessed(name: str, cosigned: set[str], groups: Mapping[str, Group]) -> bool:
    """Groups name only earlier ones, and each name is a member once: a tree, walked once."""
    group = groups.get(name)
    if group is None:
        return name in cosigned
    held = sum(_is_witnessed(member, cosigned, groups) for member in group.members)
    return held >= group.threshold


def read_policy(path: Path) -> WitnessPolicy:
    """The policy in a file; raises PolicyError that names file and line."""
    try:
        # Octets above 0x7F are opaque to the format, UTF-8 or not.
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return parse_policy(text)
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from None


def parse_policy(text: str) -> WitnessPolicy:
    """Parse a tlog-policy file; raises PolicyError that names the line."""
    if len(text) > MAX_POLICY_CHARACTERS:
        raise PolicyError(f"a witness policy has at most {MAX_POLICY_CHARACTERS} characters")
    if text and not text.endswith("\n"):
        # Cut short, `quorum a-and-b` may still be a quorum: another, weaker one.
        raise PolicyError("the last line does not end with a newline: is the file whole?")
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            reader.read(line)
        except (PolicyError, NoteError) as error:
            raise PolicyError(f"line {number}: {error}") from None
    return reader.finish()


@dataclass
class _Reader:
    """Takes lines in order."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    quorum: str | None = None

    def read(self, line: str) -> None:
        if _FORBIDDEN.search(line):
            raise PolicyError("holds a control character; only tab and newline are allowed")
        words = [word for word in _BLANK.split(line) if word]
        if not words or words[0].startswith("#"):
            return
        readers: dict[str, Callable[[list[str]], None]] = {
            "log": self._read_log,
            "witness": self._read_witness,
            "group": self._read_group,
            "quorum": self._read_quorum,
        }
        read = readers.get(words[0])
        if read is None:
            raise PolicyError(
                f"{words[0][:40]!r} begins no line of a policy: log, witness, group and quorum do"
            )
        read(words[1:])

    def finish(self) -> WitnessPolicy:
        if self.quorum is None:
            raise PolicyError("there is no quorum line; `quorum none` asks for no witness")
        return WitnessPolicy(
            tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum
        )

    def _read_log(self, words: list[str]) -> None:
        if len(words) not in (1, 2):
            raise PolicyError("a log line is `log <vkey> [<url>]`")
        verifier = Verifier.from_vkey(words[0])
        if any(log.verifier.public_key == verifier.public_key for log in self.logs):
            raise PolicyError("the key of this log stands on an earlier line already")
        _add(self.logs, PolicyLog(verifier, words[1] if words[1:] else None))

    def _read_witness(self, words: list[str]) -> None:
        if len(words) not in (2, 3):
            raise PolicyError("a witness line is `witness <name> <vkey> [<url>]`")
        verifier = CosignatureVerifier.from_vkey(words[1])
        if any(known.verifier.public_key == verifier.public_key for known in self.witnesses):
            raise PolicyError("the key of this witness stands on an earlier line already")
        self._define(words[0])
        _add(self.witnesses, PolicyWitness(words[0], verifier, words[2] if words[2:] else None))

    def _read_group(self, words: list[str]) -> None:
        if len(words) < 3:
            raise PolicyError("a group line is `group <name> any|all|<k> <name>...`")
        name, threshold, *members = words
        for member in members:
            if member not in self.names:
                raise PolicyError(f"{member[:80]!r} is no witness or group of an earlier line")
            if member in self.members:
                raise PolicyError(f"{member[:80]!r} is a member already: each name counts once")
            self.members.add(member)
        self._define(name)
        _add(self.groups, Group(name, _parse_threshold(threshold, len(members)), tuple(members)))

    def _read_quorum(self, words: list[str]) -> None:
        if len(words) != 1:
            raise PolicyError("a quorum line is `quorum <name>`")
        if self.quorum is not None:
            raise PolicyError("there is a quorum line already")
        if words[0] != _NONE and words[0] not in self.names:
            raise PolicyError(f"{words[0][:80]!r} is no witness or group of an earlier line")
        self.quorum = words[0]

    def _define(self, name: str) -> None:
        if name == _NONE or name in self.names:
            raise PolicyError(f"the name {name[:80]!r} is taken")
        self.names.add(name)


def _add(items: list[T], item: T) -> None:
    if len(items) == MAX_LINES_OF_A_KIND:
        raise PolicyError(f"a policy has at most {MAX_LINES_OF_A_KIND} lines of a kind")
    items.append(item)


def _parse_threshold(text: str, count: int) -> int:
    if text == "any":
        return 1
    if text == "all":
        return count
    if not _THRESHOLD.fullmatch(text) or not 1 <= int(text) <= count:
        raise PolicyError(f"{text[:20]!r} is not any, all or a number from 1 to {count}")
    return int(text)
