"""Signed notes: C2SP's format, its own example key, and everything that is refused."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.transparency.errors import NoteError, SignatureError, UnsignedError
from gateway.transparency.notes import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Verifier,
    open_note,
    short_vkey,
    sign_note,
)
from tests.unit.transparency.logs import make_signer

# From https://pkg.go.dev/golang.org/x/mod/sumdb/note: the example's key and note.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    f"{GO_TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvq"
    "fqdngotpRZb6KE6RyyBwJnAM=\n"
)

ONE, OTHER = make_signer(1, "one"), make_signer(2, "two")
TEXT = "first line\n\nlast line\n"
NOTE = sign_note(TEXT, [ONE])


def test_opens_the_note_of_another_implementation() -> None:
    assert open_note(GO_NOTE, [Verifier.from_vkey(GO_VKEY)]).text == GO_TEXT


def test_key_text_goes_both_ways() -> None:
    assert Verifier.from_vkey(GO_VKEY).vkey == GO_VKEY
    assert Verifier.from_vkey(ONE.vkey + "\n") == ONE.verifier


def test_opens_what_it_signs() -> None:
    note = open_note(sign_note(TEXT, [ONE, OTHER]), [OTHER.verifier, ONE.verifier])
    assert (note.text, note.signers) == (TEXT, (ONE.verifier, OTHER.verifier))


def test_unknown_signatures_are_ignored() -> None:
    cosigned = NOTE + "— witness " + base64.b64encode(bytes(100)).decode() + "\n"
    same_name = make_signer(3, "one")
    twice = sign_note(TEXT, [ONE, same_name, OTHER])
    for note in (cosigned, twice):
        assert open_note(note, [ONE.verifier]).signers == (ONE.verifier,)


def test_no_known_signature_is_refused() -> None:
    with pytest.raises(UnsignedError):
        open_note(NOTE, [OTHER.verifier])
    with pytest.raises(UnsignedError):
        open_note(NOTE, [])


def test_one_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    wrong = sign_note("another\n", [ONE]).split("\n\n")[1]
    with pytest.raises(SignatureError):
        open_note(NOTE + wrong, [ONE.verifier])
    short = ONE.verifier.key_id + bytes(10)
    with pytest.raises(SignatureError):
        open_note(f"{TEXT}\n— one {base64.b64encode(short).decode()}\n", [ONE.verifier])


def test_changed_text_is_refused() -> None:
    with pytest.raises(SignatureError):
        open_note(NOTE.replace("first", "forst"), [ONE.verifier])


SIGNATURE = NOTE.split("\n\n")[-1]


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        TEXT,
        NOTE.rstrip("\n"),
        NOTE + "\n",
        NOTE.replace("— one", "- one"),
        NOTE.replace("— one ", "— one"),
        NOTE.replace("— one", "— o+e"),
        NOTE.replace("— one", "— o\u00a0e"),
        NOTE.replace("— one ", "—  "),
        NOTE[:-2] + "\n",
        NOTE[:-3] + "!=\n",
        NOTE.replace("first", "fi\rst"),
        NOTE.replace("first", "fi\0st"),
        NOTE.replace("first", "fi\ud800st"),
        f"{TEXT}\n— one AAAA\n",
        f"{TEXT}\n— one {base64.b64encode(ONE.verifier.key_id).decode()}\n",
        TEXT + "\n" + SIGNATURE * (MAX_SIGNATURES + 1),
        "x" * MAX_NOTE_BYTES + "\n\n" + SIGNATURE,
        "é" * (MAX_NOTE_BYTES // 2) + "\n\n" + SIGNATURE,
    ],
)
def test_malformed_notes_are_refused(note: str) -> None:
    with pytest.raises(NoteError) as caught:
        open_note(note, [ONE.verifier])
    assert not isinstance(caught.value, SignatureError | UnsignedError)


def test_as_many_signatures_as_the_limit() -> None:
    note = TEXT + "\n" + SIGNATURE * MAX_SIGNATURES
    assert open_note(note, [ONE.verifier]).signers == (ONE.verifier,)


@pytest.mark.parametrize("text", ["", "no newline", "bell\a\n", "\ud800\n"])
def test_unsignable_texts_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, [ONE])


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "one",
        "one+00000000",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("c74f20a3", "C74F20A3"),
        GO_VKEY.replace("Peter", "Pet er"),
        GO_VKEY.replace("PeterNeumann", ""),
        GO_VKEY[:-4],
        GO_VKEY + "=",
        GO_VKEY.replace("+ARpc", "+AhpC"),
        "é\ud800+00000000+AA==",
    ],
)
def test_malformed_keys_are_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        Verifier.from_vkey(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b"])
def test_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(NoteError):
        make_signer(1, name)


def test_signer_does_not_show_its_key() -> None:
    seed = bytes(range(32))
    signer = make_signer(5)
    assert Ed25519PrivateKey.from_private_bytes(seed)
    assert "private" not in repr(signer).lower()


def test_a_short_key_is_name_and_key_id_whatever_its_base64_holds() -> None:
    assert short_vkey(GO_VKEY) == "PeterNeumann+c74f20a3"
    assert short_vkey("one/log+0a1b2c3d+AQ+b/+c=") == "one/log+0a1b2c3d"
