"""A statement of succession holds by all of its rules or not at all."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash
from gateway.transparency.errors import ProofError, SuccessionError
from gateway.transparency.merkle import inclusion_proof, node_reader, tree_root
from gateway.transparency.notes import Signer, sign_note
from gateway.transparency.succession import (
    Succession,
    add_signature,
    encode_succession,
    next_origin,
    read_unverified_succession,
    succession_note_of,
    successor_of,
    verify_opening,
    verify_succession,
)

ORIGIN = "example.org/log"


def signer(name: str, seed: int) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


OLD, NEW = signer(ORIGIN, 1), signer(f"{ORIGIN}~2", 2)
CAROL = signer("example.org/operator/carol", 3)
DAVE = signer("example.org/approver/dave", 4)
PEOPLE = [CAROL.verifier, DAVE.verifier]


def root(size: int, salt: int = 0) -> bytes:
    leaves = [bytes([at, salt]) * 16 for at in range(size)]
    return tree_root(size, node_reader(leaves))


def checkpoint(size: int, salt: int = 0, by: Signer = OLD) -> str:
    return sign_checkpoint(size, root(size, salt), by).note


STATEMENT = Succession(
    old=ORIGIN,
    new=f"{ORIGIN}~2",
    size=5,
    checkpoint=checkpoint(5),
    witnessed=checkpoint(9),
    lost_first=5,
    lost_last=8,
    vkey=NEW.vkey,
    reason="the disk burnt",
    time="2026-11-25T10:00:00.000000Z",
)


def signed(statement: Succession = STATEMENT, *by: Signer) -> str:
    return sign_note(encode_succession(statement), by or (OLD, CAROL, DAVE))


def test_one_that_meets_every_rule_is_taken() -> None:
    kept = sign_checkpoint(9, root(9), OLD)
    assert verify_succession(signed(), [OLD.verifier], PEOPLE, kept=kept) == STATEMENT
    assert successor_of(STATEMENT) == NEW.verifier
    assert "LOST 5..8" in STATEMENT.sentence


def test_signatures_are_gathered_one_by_one() -> None:
    note = sign_note(encode_succession(STATEMENT), [OLD])
    with pytest.raises(SuccessionError, match="2 different people"):
        verify_succession(note, [OLD.verifier], PEOPLE)
    note = add_signature(note, CAROL)
    with pytest.raises(SuccessionError, match="2 different people"):
        verify_succession(note, [OLD.verifier], PEOPLE)
    note = add_signature(add_signature(note, DAVE), DAVE)
    assert note.count("dave") == 1
    assert verify_succession(note, [OLD.verifier], PEOPLE) == STATEMENT


BAD_SIGNERS = {
    "not the log": ((CAROL, DAVE), PEOPLE),
    "one person": ((OLD, CAROL), PEOPLE),
    "one person under two roles": (
        (OLD, CAROL, signer("example.org/author/Carol", 5)),
        [*PEOPLE, signer("example.org/author/Carol", 5).verifier],
    ),
    "one key under two names": (
        (OLD, CAROL, signer("example.org/author/erin", 3)),
        [*PEOPLE, signer("example.org/author/erin", 3).verifier],
    ),
    "a stranger": ((OLD, CAROL, signer("example.org/author/mallory", 6)), PEOPLE),
    "nobody is known": ((OLD, CAROL, DAVE), []),
}


@pytest.mark.parametrize("case", BAD_SIGNERS)
def test_who_must_sign_it(case: str) -> None:
    by, people = BAD_SIGNERS[case]
    with pytest.raises(SuccessionError):
        verify_succession(signed(STATEMENT, *by), [OLD.verifier], people)


BAD_STATEMENTS: dict[str, Callable[[Succession], Succession]] = {
    "another log": lambda one: replace(one, old="example.org/other"),
    "a number too far": lambda one: replace(one, new=f"{ORIGIN}~3"),
    "less lost than was seen": lambda one: replace(one, lost_last=7),
    "more lost than was seen": lambda one: replace(one, lost_last=9),
    "lost from later on": lambda one: replace(one, lost_first=6),
    "lost from before": lambda one: replace(one, lost_first=4),
    "another size": lambda one: replace(one, size=4, lost_first=4),
    "nothing was lost": lambda one: replace(
        one, size=9, checkpoint=checkpoint(9), lost_first=9, lost_last=8
    ),
    "a checkpoint of nobody": lambda one: replace(one, checkpoint=checkpoint(5, by=NEW)),
    "seen by nobody": lambda one: replace(one, witnessed=checkpoint(9, by=CAROL)),
    "a key of another log": lambda one: replace(one, vkey=CAROL.vkey),
    "no key": lambda one: replace(one, vkey="x"),
}


@pytest.mark.parametrize("case", BAD_STATEMENTS)
def test_what_it_must_say(case: str) -> None:
    with pytest.raises(SuccessionError):
        verify_succession(signed(BAD_STATEMENTS[case](STATEMENT)), [OLD.verifier], PEOPLE)


def test_who_kept_more_than_was_witnessed_does_not_follow() -> None:
    kept = sign_checkpoint(10, root(10), OLD)
    with pytest.raises(SuccessionError, match="more is lost"):
        verify_succession(signed(), [OLD.verifier], PEOPLE, kept=kept)


@pytest.mark.parametrize("size", [5, 9])
def test_who_kept_another_history_does_not_follow(size: int) -> None:
    kept = sign_checkpoint(size, root(size, salt=1), OLD)
    with pytest.raises(SuccessionError, match="another history"):
        verify_succession(signed(), [OLD.verifier], PEOPLE, kept=kept)


def test_a_changed_text_is_nobodys() -> None:
    with pytest.raises(SuccessionError):
        verify_succession(signed().replace("burnt", "stolen"), [OLD.verifier], PEOPLE)


@pytest.mark.parametrize("text", ["", "{}\n", '{"v":2}\n', "no json\n"])
def test_other_texts_are_no_statements(text: str) -> None:
    with pytest.raises(SuccessionError):
        read_unverified_succession(f"{text}\n— x AAAAAAAA\n")


def test_a_log_that_lost_everything_has_no_checkpoint() -> None:
    statement = replace(STATEMENT, size=0, checkpoint="", lost_first=0)
    assert verify_succession(signed(statement), [OLD.verifier], PEOPLE) == statement


def test_names_go_on_counting() -> None:
    assert next_origin("a/log") == "a/log~2"
    assert next_origin("a/log~2") == "a/log~3"
    assert next_origin("a/log~9") == "a/log~10"
    assert next_origin("a/log~x") == "a/log~x~2"


def opening(log: str = STATEMENT.new, vkey: str = NEW.vkey) -> bytes:
    body = canonical.encode({"checkpoint_key": vkey, "succeeds": signed()})
    return encode_entry(log, 0, GENESIS, 0, "log.opened", "spiffe://example.org/gateway/g", body)


def test_the_new_logs_first_entry_is_proven() -> None:
    entry = opening()
    leaves = [leaf_hash(entry), b"\x01" * 32, b"\x02" * 32]
    head = sign_checkpoint(3, tree_root(3, node_reader(leaves)), NEW)
    proof = inclusion_proof(0, 3, node_reader(leaves))
    assert succession_note_of(entry) == signed()
    verify_opening(entry, proof, head, STATEMENT)
    with pytest.raises(ProofError):
        verify_opening(entry, proof[::-1], head, STATEMENT)
    with pytest.raises(SuccessionError):
        verify_opening(opening(log="example.org/log~3"), proof, head, STATEMENT)
    with pytest.raises(SuccessionError):
        verify_opening(opening(vkey=OLD.vkey), proof, head, STATEMENT)
