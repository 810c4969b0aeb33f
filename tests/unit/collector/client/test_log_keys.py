"""A collector follows the log's key from hand to hand, and nothing that is not proven."""

import base64
from pathlib import Path

import pytest

from collector.client.log_keys import KEYS_FILE, LogKeys
from collector.errors import EvidenceError
from gateway import canonical
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash
from gateway.transparency.errors import NoteError, UnsignedError
from gateway.transparency.merkle import CompactRange, inclusion_proof, node_reader
from gateway.transparency.notes import Signer
from gateway.wire.handovers import Handover, HandoversAnswer
from tests.fakes.log import ACTOR, ORIGIN
from tests.fakes.sql_logs import NEXT, SIGNER, THIRD

SIZES = (3, 6)  # of the checkpoints of the two hand-overs


class Gateway:
    """Tells the hand-overs that a test gives it."""

    def __init__(self, *handovers: Handover) -> None:
        self.handovers = handovers
        self.asked = 0

    def fetch_handovers(self) -> HandoversAnswer:
        self.asked += 1
        return HandoversAnswer(self.handovers)


def handover(
    size: int, old: Signer, new: Signer, *, by: Signer | None = None, type: str = "key.handed-over"
) -> Handover:
    """The hand-over at the end of a tree of `size`; `by` signs in the old key's place."""
    body = canonical.encode({"new": new.vkey, "old": old.vkey})
    data = encode_entry(ORIGIN, size - 1, GENESIS, 0, type, ACTOR, body)
    leaves = [leaf_hash(bytes([number])) for number in range(size - 1)] + [leaf_hash(data)]
    tree = CompactRange()
    tree.extend(leaves)
    note = sign_checkpoint(size, tree.root(), by or old, [new]).note
    path = inclusion_proof(size - 1, size, node_reader(leaves))
    encoded = base64.b64encode(data).decode()
    return Handover(encoded, note, tuple(step.hex() for step in path))


FIRST, SECOND = handover(SIZES[0], SIGNER, NEXT), handover(SIZES[1], NEXT, THIRD)


def note(size: int, signer: Signer) -> str:
    return sign_checkpoint(size, bytes(32), signer).note


def test_hand_overs_are_followed_once_and_kept(tmp_path: Path) -> None:
    gateway = Gateway(FIRST, SECOND)
    keys = LogKeys(tmp_path, SIGNER.verifier, gateway)
    assert keys.open(note(2, SIGNER)).size == 2
    assert gateway.asked == 0
    assert keys.open(note(9, THIRD)).size == 9
    assert [seam.size for seam in keys.unproven] == [3, 6]
    keys.keep()
    assert (keys.newest, keys.unproven) == (THIRD.verifier, [])
    again = LogKeys(tmp_path, SIGNER.verifier, gateway)
    assert again.open(note(10, THIRD)).size == 10
    assert gateway.asked == 1


def test_each_key_signs_for_its_own_turn(tmp_path: Path) -> None:
    keys = LogKeys(tmp_path, SIGNER.verifier, Gateway(FIRST, SECOND))
    keys.open(note(9, THIRD))
    keys.keep()
    assert keys.open(note(2, SIGNER)).size == 2  # from a slower replica
    assert keys.open(note(5, NEXT)).size == 5
    for size, signers in ((3, (SIGNER, NEXT)), (6, (NEXT, THIRD))):
        assert [keys.open(note(size, signer)).size for signer in signers] == [size, size]
    for size, signer in ((7, SIGNER), (7, NEXT), (2, NEXT), (5, THIRD), (2, THIRD)):
        with pytest.raises(UnsignedError):
            keys.open(note(size, signer))


def test_what_is_not_shown_to_be_of_the_history_is_not_kept(tmp_path: Path) -> None:
    keys = LogKeys(tmp_path, SIGNER.verifier, Gateway(FIRST, SECOND))
    keys.open(note(4, NEXT))
    assert [seam.size for seam in keys.unproven] == [3]  # a slower replica lacks the later one
    assert keys.known == [SIGNER.verifier]
    assert keys.open(note(4, SIGNER)).size == 4
    keys.keep()
    assert keys.known == [SIGNER.verifier]
    assert not (tmp_path / KEYS_FILE).exists()


@pytest.mark.parametrize(
    "forged",
    [
        handover(3, SIGNER, NEXT, by=NEXT),  # the old key signed nothing
        handover(3, THIRD, NEXT, by=SIGNER),  # it says another old key
        handover(3, SIGNER, NEXT, type="test.note"),
        Handover(FIRST.entry, FIRST.checkpoint, ("00" * 32, "00" * 32)),
        Handover(FIRST.entry, note(3, SIGNER), FIRST.proof),
        Handover("!", FIRST.checkpoint, FIRST.proof),
        Handover(SECOND.entry, SECOND.checkpoint, SECOND.proof),
    ],
)
def test_what_is_not_proven_is_not_followed(forged: Handover, tmp_path: Path) -> None:
    keys = LogKeys(tmp_path, SIGNER.verifier, Gateway(forged))
    with pytest.raises(NoteError):
        keys.open(note(9, NEXT))
    assert keys.newest == SIGNER.verifier
    assert not (tmp_path / KEYS_FILE).exists()


def test_another_configured_key_begins_anew(tmp_path: Path) -> None:
    keys = LogKeys(tmp_path, SIGNER.verifier, Gateway(FIRST))
    keys.open(note(4, NEXT))
    keys.keep()
    assert LogKeys(tmp_path, THIRD.verifier, Gateway()).newest == THIRD.verifier


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / KEYS_FILE).write_text("0 nonsense\n")
    with pytest.raises(EvidenceError, match=r"checkpoint\.keys"):
        LogKeys(tmp_path, SIGNER.verifier, Gateway())
