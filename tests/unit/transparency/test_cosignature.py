"""Cosignatures: what is signed, what is ignored, what is refused."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.cosignature import (
    Cosignature,
    CosignatureVerifier,
    add_signatures,
    open_cosignatures,
    verify_cosignatures,
)
from gateway.transparency.errors import NoteError, SignatureError
from gateway.transparency.notes import KnownKey, Verifier, open_note, sign_note, split_note
from tests.fakes.witnesses import COSIGNER, SIGNER, Tree, make_cosigner

NOTE = Tree().note(5)
TEXT = split_note(NOTE)[0]
OTHER = make_cosigner(8, "witness.example/w2")
TIME = 1_679_315_147


def test_the_bytes_are_those_of_the_specification() -> None:
    line = COSIGNER.cosign(TEXT, TIME)
    blob = base64.b64decode(line.split(" ")[2])
    public = COSIGNER.verifier.public_key
    assert line.startswith("— witness.example/w1 ")
    key_id = hashlib.sha256(b"witness.example/w1\n\x04" + public).digest()[:4]
    assert (blob[:4], int.from_bytes(blob[4:12], "big"), len(blob)) == (key_id, TIME, 76)
    message = f"cosignature/v1\ntime {TIME}\n{TEXT}".encode()
    Ed25519PublicKey.from_public_bytes(public).verify(blob[12:], message)


def test_a_key_text_goes_both_ways_and_is_of_its_type() -> None:
    vkey = COSIGNER.verifier.vkey
    assert CosignatureVerifier.from_vkey(vkey + "\n") == COSIGNER.verifier
    with pytest.raises(NoteError, match="0x04"):
        CosignatureVerifier.from_vkey(SIGNER.vkey)
    with pytest.raises(NoteError, match="Ed25519"):
        Verifier.from_vkey(vkey)


def test_a_cosigned_note_is_still_the_log_s() -> None:
    note = NOTE + COSIGNER.cosign(TEXT, TIME)
    assert open_checkpoint(note, SIGNER.verifier).size == 5
    assert open_note(note, [COSIGNER.verifier]).signers == (COSIGNER.verifier,)
    both: list[KnownKey] = [COSIGNER.verifier, SIGNER.verifier]
    assert open_note(note, both).text == TEXT


def test_known_cosignatures_are_found_with_their_newest_times() -> None:
    lines = [COSIGNER.cosign(TEXT, TIME), OTHER.cosign(TEXT, 7), COSIGNER.cosign(TEXT, TIME - 1)]
    note = NOTE + "".join(lines)
    assert open_cosignatures(note, [COSIGNER.verifier]) == (Cosignature(COSIGNER.verifier, TIME),)
    assert len(open_cosignatures(note, [COSIGNER.verifier, OTHER.verifier])) == 2
    assert open_cosignatures(NOTE, [COSIGNER.verifier]) == ()


def forge(blob: bytes, name: str = "witness.example/w1") -> str:
    return f"— {name} {base64.b64encode(COSIGNER.verifier.key_id + blob).decode()}\n"


GOOD = base64.b64decode(COSIGNER.cosign(TEXT, TIME).split(" ")[2])[4:]


@pytest.mark.parametrize(
    "blob",
    [
        GOOD[:-1],
        GOOD + b"\0",
        bytes(8) + GOOD[8:],
        b"\xff" + GOOD[1:],
        GOOD[:8] + bytes(64),
        GOOD[:8] + SIGNER.sign(TEXT),
    ],
)
def test_a_wrong_one_of_a_known_witness_spoils_the_note(blob: bytes) -> None:
    with pytest.raises(SignatureError):
        open_cosignatures(NOTE + forge(blob), [COSIGNER.verifier])
    stranger = forge(blob, "stranger.example/w1")  # the same id under another name is unknown
    assert open_cosignatures(NOTE + stranger, [COSIGNER.verifier]) == ()


def test_a_changed_text_spoils_it() -> None:
    note = (NOTE + COSIGNER.cosign(TEXT, TIME)).replace("\n5\n", "\n6\n")
    with pytest.raises(SignatureError, match=r"witness\.example/w1"):
        open_cosignatures(note, [COSIGNER.verifier])


def test_of_an_answer_only_the_witness_s_own_lines_count() -> None:
    answer = OTHER.cosign(TEXT, TIME) + COSIGNER.cosign(TEXT, TIME)
    [line] = verify_cosignatures(TEXT, answer, COSIGNER.verifier)
    assert line.name == "witness.example/w1"
    assert verify_cosignatures(TEXT, OTHER.cosign(TEXT, TIME), COSIGNER.verifier) == ()
    for bad in ("", "\n", answer[:-1], "fine\n", "x\n" * 200):
        with pytest.raises(NoteError):
            verify_cosignatures(TEXT, bad, COSIGNER.verifier)
    with pytest.raises(SignatureError):
        verify_cosignatures(TEXT, forge(GOOD[:8] + bytes(64)), COSIGNER.verifier)


def test_a_newer_cosignature_takes_the_place_of_the_older() -> None:
    first = split_note(NOTE + COSIGNER.cosign(TEXT, TIME))[1]
    newer = split_note(NOTE + COSIGNER.cosign(TEXT, TIME + 60))[1][-1]
    other = split_note(NOTE + OTHER.cosign(TEXT, TIME))[1][-1]
    merged = add_signatures(add_signatures(NOTE, first), [newer, other])
    assert len(split_note(merged)[1]) == 3
    times = {found.time_seconds for found in open_cosignatures(merged, [COSIGNER.verifier])}
    assert times == {TIME + 60}
    assert open_checkpoint(merged, SIGNER.verifier).size == 5


def test_a_time_that_cannot_be_signed_is_refused() -> None:
    for time_seconds in (-1, 2**63):
        with pytest.raises(NoteError):
            COSIGNER.cosign(TEXT, time_seconds)
    note = NOTE + COSIGNER.cosign(TEXT, 2**63 - 1)
    assert open_cosignatures(note, [COSIGNER.verifier])[0].time_seconds == 2**63 - 1


def test_notes_without_a_checkpoint_can_be_cosigned_lines_too() -> None:
    note = sign_note("any text\n", [SIGNER]) + COSIGNER.cosign("any text\n", TIME)
    assert len(open_cosignatures(note, [COSIGNER.verifier])) == 1
