"""tlog-policy: every line, every rule, every quorum."""

from itertools import combinations
from pathlib import Path

import pytest

from gateway.transparency.errors import PolicyError, SignatureError
from gateway.transparency.notes import split_note
from gateway.transparency.witness_policy import (
    MAX_LINES_OF_A_KIND,
    parse_policy,
    read_policy,
)
from tests.fakes.witnesses import SIGNER, Tree, make_cosigner
from tests.unit.transparency.logs import make_signer

NOTE = Tree().note(5)
TEXT = split_note(NOTE)[0]
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
KEYS = {name: make_cosigner(at + 20, f"{name}.example") for at, name in enumerate(NAMES)}
WITNESSES = "".join(f"witness {name} {key.verifier.vkey}\n" for name, key in KEYS.items())
LOG = f"log {SIGNER.vkey}\n"
# The specification's example.
NESTED = f"""{LOG}
{WITNESSES}
group X-witnesses 2 X1 X2 X3
group Y-witnesses any Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def cosigned(*names: str, note: str = NOTE) -> str:
    return note + "".join(KEYS[name].cosign(TEXT, 5) for name in names)


def test_two_levels_of_groups_are_met_by_exactly_the_right_sets() -> None:
    policy = parse_policy(NESTED)
    for count in range(len(NAMES) + 1):
        for names in combinations(NAMES, count):
            xs = sum(name.startswith("X") for name in names)
            expected = xs >= 2 and len(names) > xs
            assert policy.is_met(cosigned(*names)) is expected, names


@pytest.mark.parametrize(
    ("threshold", "needed"), [("any", 1), ("all", 3), ("1", 1), ("2", 2), ("3", 3)]
)
def test_any_all_and_k_of_n(threshold: str, needed: int) -> None:
    policy = parse_policy(f"{WITNESSES}group g {threshold} X1 X2 X3\nquorum g\n")
    for count in range(4):
        assert policy.is_met(cosigned(*NAMES[:count])) is (count >= needed)
    assert not policy.is_met(cosigned("Y1", "Y2", "Y3"))


def test_a_single_witness_is_a_quorum() -> None:
    policy = parse_policy(f"{LOG}{WITNESSES}quorum X2\n")
    assert policy.is_met(cosigned("X2"))
    assert not policy.is_met(cosigned("X1", "X3"))


def test_one_witness_counts_once() -> None:
    policy = parse_policy(f"{WITNESSES}group g 2 X1 X2\nquorum g\n")
    assert not policy.is_met(cosigned("X1", "X1"))


def test_nobody_vouches_where_nobody_is_asked() -> None:
    policy = parse_policy(f"{LOG}{WITNESSES}quorum none\n")
    assert not policy.is_met(NOTE)
    assert not policy.is_met(cosigned(*NAMES))


def test_cosigners_are_named_with_their_times() -> None:
    policy = parse_policy(NESTED)
    assert policy.cosigners(cosigned("Y1", "X1")) == ("X1", "Y1")
    assert [found.time_seconds for found in policy.cosignatures(cosigned("Y1", "X1"))] == [5, 5]
    assert policy.cosigners(NOTE) == ()


def test_strangers_are_let_pass_and_do_not_count() -> None:
    stranger = make_cosigner(99, "X1.example").cosign(TEXT, 5)  # X1's name, another key
    policy = parse_policy(NESTED)
    assert policy.cosigners(cosigned("X2") + stranger) == ("X2",)


def test_a_wrong_line_of_a_known_witness_spoils_the_note() -> None:
    policy = parse_policy(NESTED)
    wrong = cosigned("X1", "X2", "Y1") + KEYS["X3"].cosign("other\n", 5)
    assert not policy.is_met(wrong)
    with pytest.raises(SignatureError):
        policy.cosigners(wrong)


def test_the_log_s_own_signature_counts_where_the_policy_names_logs() -> None:
    names = ("X1", "X2", "Y1")
    other = Tree(make_signer(9)).note(5)  # the same origin and tree, a stranger's key
    assert not parse_policy(NESTED).is_met(cosigned(*names, note=other))
    assert parse_policy(NESTED.replace(LOG, "")).is_met(cosigned(*names, note=other))
    two_logs = f"log {make_signer(9).vkey} https://log.example\n{NESTED}"
    assert parse_policy(two_logs).is_met(cosigned(*names, note=other))
    assert parse_policy(two_logs).is_met(cosigned(*names))


@pytest.mark.parametrize("note", ["", "\n", "no note", NOTE[:-1], f"{TEXT}\n"])
def test_what_is_no_note_meets_nothing(note: str) -> None:
    assert not parse_policy(NESTED).is_met(note)


def test_white_space_comments_and_addresses() -> None:
    vkey = KEYS["X1"].verifier.vkey
    text = f"# a comment\n\t\n  log\t{SIGNER.vkey}  https://log.example/ \n"
    text += f"witness  X1\t{vkey} https://w.example/x\n   # more: \xe9\nquorum X1\t\n"
    policy = parse_policy(text)
    assert policy.logs[0].url == "https://log.example/"
    assert (policy.witnesses[0].name, policy.witnesses[0].url) == ("X1", "https://w.example/x")
    assert policy.is_met(cosigned("X1"))


def test_names_are_octets(tmp_path: Path) -> None:
    """K and the Kelvin sign are two names; octets that are no UTF-8 are a name too."""
    one, two = KEYS["X1"].verifier.vkey.encode(), KEYS["X2"].verifier.vkey.encode()
    path = tmp_path / "policy"
    path.write_bytes(
        b"witness K " + one + b"\nwitness \xe2\x84\xaa " + two + b"\ngroup \xff all K \xe2\x84\xaa"
        b"\nquorum \xff\n"
    )
    policy = read_policy(path)
    assert policy.is_met(cosigned("X1", "X2"))
    assert not policy.is_met(cosigned("X1"))


REFUSED = {
    "no quorum": (WITNESSES, "no quorum line"),
    "two quorums": (f"{WITNESSES}quorum X1\nquorum X2\n", "already"),
    "a quorum of nobody": (f"{WITNESSES}quorum Z\n", "'Z'"),
    "a quorum before its witness": (f"quorum X1\n{WITNESSES}", "line 1: 'X1'"),
    "a quorum of two": (f"{WITNESSES}quorum X1 X2\n", "a quorum line is"),
    "no newline at the end": (f"{WITNESSES}quorum X1", "is the file whole"),
    "a carriage return": (f"{WITNESSES}quorum X1\r\n", "control character"),
    "a NUL": ("quorum none\0\n", "control character"),
    "a DEL": ("# \x7f\nquorum none\n", "line 1: holds a control"),
    "another word": ("witnesses X\nquorum none\n", "line 1: 'witnesses'"),
    "a key of the log for a witness": (f"witness X {SIGNER.vkey}\nquorum X\n", "0x04"),
    "a key of a witness for a log": (
        f"log {KEYS['X1'].verifier.vkey}\nquorum none\n",
        "line 1: the verifier key",
    ),
    "a broken key": ("log nonsense\nquorum none\n", "looks like"),
    "a log twice": (f"{LOG}{LOG}quorum none\n", "line 2: the key of this log"),
    "a log twice under another name": (
        f"{LOG}log {make_signer(1, 'other').vkey}\nquorum none\n",
        "line 2: the key of this log",
    ),
    "a witness's key twice": (
        f"{WITNESSES}witness Z {make_cosigner(20, 'other').verifier.vkey}\nquorum none\n",
        "line 7: the key of this witness",
    ),
    "a name twice": (
        f"{WITNESSES}witness X1 {make_cosigner(90, 'z').verifier.vkey}\nquorum none\n",
        "line 7: the name 'X1'",
    ),
    "a group of a taken name": (f"{WITNESSES}group X1 any X2\nquorum none\n", "'X1' is taken"),
    "a witness called none": (
        f"witness none {KEYS['X1'].verifier.vkey}\nquorum none\n",
        "'none' is taken",
    ),
    "a group of none": (f"{WITNESSES}group g any none\nquorum g\n", "'none' is no witness"),
    "a group of later names": (f"group g any X1\n{WITNESSES}quorum g\n", "'X1' is no witness"),
    "a group of itself": (f"{WITNESSES}group g any g\nquorum g\n", "'g' is no witness"),
    "a member of two groups": (
        f"{WITNESSES}group g any X1\ngroup h any X1\nquorum h\n",
        "line 8: 'X1' is a member already",
    ),
    "a member twice": (f"{WITNESSES}group g 2 X1 X1\nquorum g\n", "each name counts once"),
    "a group without members": (f"{WITNESSES}group g any\nquorum g\n", "a group line is"),
    "none of them": (f"{WITNESSES}group g 0 X1\nquorum g\n", "'0' is not"),
    "more than there are": (f"{WITNESSES}group g 3 X1 X2\nquorum g\n", "'3' is not"),
    "a number that is none": (f"{WITNESSES}group g 01 X1\nquorum g\n", "'01' is not"),
    "a digit of another script": (f"{WITNESSES}group g \u0661 X1\nquorum g\n", "is not"),
    "a log without a key": ("log\nquorum none\n", "a log line is"),
    "a witness without a key": ("witness X\nquorum none\n", "a witness line is"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_policy_is_refused_with_its_line(name: str) -> None:
    text, told = REFUSED[name]
    with pytest.raises(PolicyError, match=told):
        parse_policy(text)


def test_policies_are_bounded() -> None:
    many = "".join(
        f"witness w{at} {make_cosigner(at % 250 + 1, f'w{at}').verifier.vkey}\n"
        for at in range(250)
    )
    assert len(parse_policy(f"{many}quorum w0\n").witnesses) == 250
    groups = "".join(f"group g{at} any g{at - 1}\n" for at in range(1, MAX_LINES_OF_A_KIND))
    deep = f"{WITNESSES}group g0 any X1\n{groups}quorum g{MAX_LINES_OF_A_KIND - 1}\n"
    assert parse_policy(deep).is_met(cosigned("X1"))
    more = "group h any X2\nquorum none\n"
    with pytest.raises(PolicyError, match="at most"):
        parse_policy(deep.partition("quorum")[0] + more)
    with pytest.raises(PolicyError, match="at most"):
        parse_policy("#" * 300_000 + "\n")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="policy: cannot be read"):
        read_policy(tmp_path / "policy")
    (tmp_path / "policy").write_text("nonsense\n")
    with pytest.raises(PolicyError, match="policy: line 1"):
        read_policy(tmp_path / "policy")
