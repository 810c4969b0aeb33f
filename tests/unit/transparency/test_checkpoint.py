"""Checkpoints: tlog-checkpoint's three lines under the log's own key."""

import base64

import pytest

from gateway.transparency.checkpoint import open_checkpoint, sign_checkpoint
from gateway.transparency.errors import NoteError, SignatureError, UnsignedError
from gateway.transparency.merkle import EMPTY_ROOT
from gateway.transparency.notes import sign_note
from tests.unit.transparency.logs import ORIGIN, SIGNER, make_signer

ROOT = bytes(range(32))
ROOT_TEXT = base64.b64encode(ROOT).decode()


def test_opens_what_it_signs() -> None:
    made = sign_checkpoint(7, ROOT, SIGNER, [make_signer(2, "witness")])
    assert made.note.startswith(f"{ORIGIN}\n7\n{ROOT_TEXT}\n\n— {ORIGIN} ")
    assert open_checkpoint(made.note, SIGNER.verifier) == made


def test_extension_lines_are_tolerated() -> None:
    note = sign_note(f"{ORIGIN}\n7\n{ROOT_TEXT}\nextension\nanother\n", [SIGNER])
    opened = open_checkpoint(note, SIGNER.verifier)
    assert (opened.origin, opened.size, opened.root, opened.note) == (ORIGIN, 7, ROOT, note)


def test_empty_log_has_a_checkpoint() -> None:
    made = sign_checkpoint(0, EMPTY_ROOT, SIGNER)
    assert open_checkpoint(made.note, SIGNER.verifier).size == 0


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n7\n",
        f"elsewhere\n7\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n07\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n-7\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n+7\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n 7\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n1_0\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n\u0667\n{ROOT_TEXT}\n",  # a digit, but not a decimal one of ours
        f"{ORIGIN}\n²\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n{2**63}\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n{'9' * 5000}\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT[:-4]}\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT[:-2]}9=\n",
        f"{ORIGIN}\n7\n{ROOT.hex()}\n",
        f"{ORIGIN}\n7\n\n{ROOT_TEXT}\n",
        f"{ORIGIN}\n7\n{ROOT_TEXT}\n\nextension\n",
        f"\n7\n{ROOT_TEXT}\n",
    ],
)
def test_malformed_texts_are_refused_though_signed(text: str) -> None:
    with pytest.raises(NoteError):
        open_checkpoint(sign_note(text, [SIGNER]), SIGNER.verifier)


def test_another_key_vouches_for_nothing() -> None:
    note = sign_checkpoint(7, ROOT, SIGNER).note
    with pytest.raises(UnsignedError):
        open_checkpoint(note, make_signer(2).verifier)
    with pytest.raises(SignatureError):
        open_checkpoint(note.replace("\n7\n", "\n8\n"), SIGNER.verifier)


@pytest.mark.parametrize(("size", "root"), [(-1, ROOT), (2**63, ROOT), (1, b"short")])
def test_senseless_heads_are_not_signed(size: int, root: bytes) -> None:
    with pytest.raises(NoteError):
        sign_checkpoint(size, root, SIGNER)
