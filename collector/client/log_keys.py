"""The log's keys as this collector knows them: the configured one, and those that it was seen to
hand over to. Kept on disk, one a line with the size that it took over at, so that a hand-over is
proven once, in the history that the collector holds the log to."""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from collector.client.state_file import write_atomically
from collector.errors import EvidenceError
from gateway.errors import VerificationError
from gateway.transparency.checkpoint import MAX_SIZE, Checkpoint, open_checkpoint
from gateway.transparency.errors import UnsignedError
from gateway.transparency.handover import verify_handover
from gateway.transparency.notes import Verifier
from gateway.wire.handovers import HandoversAnswer

KEYS_FILE = "checkpoint.keys"


class TellsHandovers(Protocol):
    """GatewayClient is one."""

    def fetch_handovers(self) -> HandoversAnswer:
        """All hand-overs of the log; raises GatewayUnavailable."""


class LogKeys:
    """Opens checkpoints; follows hand-overs when one is not signed by a known key."""

    def __init__(self, state: Path, first: Verifier, gateway: TellsHandovers) -> None:
        """Raises EvidenceError for a damaged file in `state`."""
        self._path = state / KEYS_FILE
        self._gateway = gateway
        # Each with the size from which on it signs; the one before it signs up to that size.
        self._keys = self._load(first)
        self._learned: list[tuple[Checkpoint, Verifier]] = []

    @property
    def newest(self) -> Verifier:
        """The key that signs now, as far as this collector has it proven."""
        return self._keys[-1][1]

    @property
    def known(self) -> list[Verifier]:
        """All keys that are proven, oldest first."""
        return [key for _, key in self._keys]

    @property
    def unproven(self) -> list[Checkpoint]:
        """The checkpoints of the hand-overs that the last `open` rests on and that are not kept
        yet: each must be shown to be of the log's own history."""
        return [seam for seam, _ in self._learned]

    def open_known(self, note: str) -> Checkpoint:
        """A checkpoint by the key whose turn it was, of those that are proven; raises NoteError."""
        return _open(note, self._keys)

    def open(self, note: str) -> Checkpoint:
        """As `open_known`, asking the gateway for hand-overs where that fails. What it told is
        believed for this one checkpoint, until `keep`. Raises NoteError, GatewayUnavailable."""
        self._learned = []
        try:
            return self.open_known(note)
        except UnsignedError:
            learned = self._ask()
        checkpoint = _open(note, [*self._keys, *_turns(learned)])
        # A replica that is behind has no proof of a later one, and need not have any.
        self._learned = [one for one in learned if one[0].size <= checkpoint.size]
        return checkpoint

    def keep(self) -> None:
        """Go on with the hand-overs that were `unproven`: whoever calls has proven each to be of
        the log's history. The old key alone does not: whoever stole it can hand over in a log of
        their own, and a key kept from there would shut out the true log for good. Raises
        EvidenceError where they cannot be kept."""
        if not self._learned:
            return
        keys = [*self._keys, *_turns(self._learned)]
        self._store(keys)
        self._keys, self._learned = keys, []

    def _ask(self) -> list[tuple[Checkpoint, Verifier]]:
        learned: list[tuple[Checkpoint, Verifier]] = []
        current = self.newest
        for told in self._gateway.fetch_handovers().handovers:
            try:
                data = base64.b64decode(told.entry, validate=True)
                proof = [bytes.fromhex(step) for step in told.proof]
                _, new = verify_handover(data, told.checkpoint, proof, current)
                learned.append((open_checkpoint(told.checkpoint, current), new))
            except (VerificationError, binascii.Error, ValueError):
                continue  # one before the key that we know, or none: what is not proven is not so
            current = new
        return learned

    def _load(self, first: Verifier) -> list[tuple[int, Verifier]]:
        try:
            lines = self._path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return [(0, first)]
        except (OSError, UnicodeDecodeError) as error:
            raise self._damaged(str(error)) from None
        try:
            keys = [_parse_line(line) for line in lines]
        except (VerificationError, ValueError) as error:
            raise self._damaged(str(error)) from None
        # Another key in the configuration is a person's word, and begins anew.
        return keys if keys and keys[0][1] == first else [(0, first)]

    def _store(self, keys: Sequence[tuple[int, Verifier]]) -> None:
        try:
            write_atomically(self._path, "".join(f"{size} {key.vkey}\n" for size, key in keys))
        except OSError as error:
            raise EvidenceError(f"{self._path} cannot be written ({error})") from None

    def _damaged(self, why: str) -> EvidenceError:
        return EvidenceError(
            f"{self._path} does not hold the log's keys ({why}); remove it: they are proven anew"
        )


def _open(note: str, keys: Sequence[tuple[int, Verifier]]) -> Checkpoint:
    """By the key whose turn it was at the checkpoint's size; at a hand-over's either of both."""
    ends = [size for size, _ in keys[1:]] + [MAX_SIZE]
    for (start, key), end in reversed(list(zip(keys, ends, strict=True))):
        try:
            checkpoint = open_checkpoint(note, key)
        except UnsignedError:
            continue
        if checkpoint.size > end:
            raise UnsignedError(f"the key {key.vkey} signed past the hand-over at {end}")
        if checkpoint.size < start:
            raise UnsignedError(
                f"the key {key.vkey} signed less than {start}, where its turn began"
            )
        return checkpoint
    raise UnsignedError("no key that is known here signed the checkpoint")


def _turns(learned: Sequence[tuple[Checkpoint, Verifier]]) -> list[tuple[int, Verifier]]:
    return [(seam.size, key) for seam, key in learned]


def _parse_line(line: str) -> tuple[int, Verifier]:
    size, _, vkey = line.partition(" ")
    return int(size), Verifier.from_vkey(vkey)
