"""The log's keys as this collector knows them: the configured one, and those that it was seen to
hand over to. Kept on disk, one a line with the size that it took over at, so that a hand-over is
proven once."""

import base64
import binascii
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

    @property
    def newest(self) -> Verifier:
        """The key that signs now, as far as this collector knows."""
        return self._keys[-1][1]

    @property
    def known(self) -> list[Verifier]:
        """All keys that are known, oldest first."""
        return [key for _, key in self._keys]

    def open_known(self, note: str) -> Checkpoint:
        """A checkpoint by the key whose turn it was, of those that are known; raises NoteError."""
        ends = [size for size, _ in self._keys[1:]] + [MAX_SIZE]
        for (_, key), end in reversed(list(zip(self._keys, ends, strict=True))):
            try:
                checkpoint = open_checkpoint(note, key)
            except UnsignedError:
                continue
            if checkpoint.size > end:
                raise UnsignedError(f"the key {key.vkey} signed past the hand-over at {end}")
            return checkpoint
        raise UnsignedError("no key that is known here signed the checkpoint")

    def open(self, note: str) -> Checkpoint:
        """As `open_known`, asking the gateway for hand-overs where that fails. Raises NoteError,
        GatewayUnavailable, and EvidenceError when a new key cannot be kept."""
        try:
            return self.open_known(note)
        except UnsignedError:
            self._follow()
        return self.open_known(note)

    def _follow(self) -> None:
        before = len(self._keys)
        for told in self._gateway.fetch_handovers().handovers:
            try:
                data = base64.b64decode(told.entry, validate=True)
                proof = [bytes.fromhex(step) for step in told.proof]
                self._keys.append(verify_handover(data, told.checkpoint, proof, self.newest))
            except (VerificationError, binascii.Error, ValueError):
                continue  # one before the key that we know, or none: what is not proven is not so
        if len(self._keys) > before:
            self._store()

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

    def _store(self) -> None:
        try:
            write_atomically(
                self._path, "".join(f"{size} {key.vkey}\n" for size, key in self._keys)
            )
        except OSError as error:
            raise EvidenceError(f"{self._path} cannot be written ({error})") from None

    def _damaged(self, why: str) -> EvidenceError:
        return EvidenceError(
            f"{self._path} does not hold the log's keys ({why}); remove it: they are proven anew"
        )


def _parse_line(line: str) -> tuple[int, Verifier]:
    size, _, vkey = line.partition(" ")
    return int(size), Verifier.from_vkey(vkey)
