"""RFC 3161 against OpenSSL: its authority, and its own verification of what is stored."""

import asyncio
import hashlib
import json
import sqlite3
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from gateway.audit.timestamps import (
    TimestampAuthority,
    TimestampError,
    Timestamps,
    read_authorities,
    verify_token,
)
from gateway.audit.witnessed_log import WitnessedLog
from gateway.cli import app
from gateway.clock import SystemClock, parse_time
from gateway.transparency.notes import split_note
from tests.fakes.log import ORIGIN
from tests.fakes.sql_logs import SIGNER, note, open_engine, open_log
from tests.fakes.witnesses import COSIGNER, Tree
from tests.interop.programs import find, run, said
from tests.interop.timestamp_authority import DAY, Authority, make_authority, serve_authority

TEXT = "gateway.example/eu-west-1\n5\nAAAA\n"
CLOCK = SystemClock()

pytestmark = pytest.mark.skipif(find("openssl") is None, reason="no openssl on this machine's PATH")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "tsa")


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    """Of the same names, with other keys."""
    return make_authority(tmp_path / "other")


async def stamp(authority: Authority, text: str = TEXT, ca: Path | None = None) -> bytes:
    with serve_authority(authority) as url:
        async with httpx.AsyncClient() as http:
            asked = TimestampAuthority(url, read_authorities(ca or authority.ca), http)
            return (await asked.stamp(text)).token


def test_a_token_holds_for_us_and_for_openssl(authority: Authority, tmp_path: Path) -> None:
    before_us = CLOCK.now_us()
    token = asyncio.run(stamp(authority))
    said_us = verify_token(token, TEXT, read_authorities(authority.ca)).before_us
    # The authority's time has whole seconds, and its accuracy of 2.5 s is added.
    assert before_us - 1_000_000 <= said_us - 2_500_000 <= CLOCK.now_us()
    (tmp_path / "token").write_bytes(token)
    (tmp_path / "text").write_text(TEXT)
    openssl = find("openssl")
    assert openssl is not None
    verified = run(
        openssl,
        *("ts", "-verify", "-token_in", "-in", tmp_path / "token"),
        *("-data", tmp_path / "text", "-CAfile", authority.ca),
    )
    assert verified.returncode == 0, said(verified)
    assert "Verification: OK" in said(verified)


def test_another_text_ca_or_byte_does_not_hold(authority: Authority, other: Authority) -> None:
    token = asyncio.run(stamp(authority))
    ours = read_authorities(authority.ca)
    with pytest.raises(TimestampError, match="mismatch between messages"):
        verify_token(token, TEXT + "x\n", ours)
    with pytest.raises(TimestampError, match="certificate signature failure"):
        verify_token(token, TEXT, read_authorities(other.ca))
    with pytest.raises(TimestampError, match="nonce mismatch"):
        verify_token(token, TEXT, ours, nonce=1)
    for bad in (b"", b"\x30\x00", token[:-1], token + b"\0", token + token):
        with pytest.raises(TimestampError):
            verify_token(bad, TEXT, ours)


def test_no_changed_byte_says_another_time_or_text(authority: Authority) -> None:
    token = asyncio.run(stamp(authority))
    ours = read_authorities(authority.ca)
    good = verify_token(token, TEXT, ours)
    held = 0
    for at in range(len(token)):
        changed = bytearray(token)
        changed[at] ^= 0x01
        try:
            assert verify_token(bytes(changed), TEXT, ours).before_us == good.before_us
            held += 1  # version numbers of the envelope are not signed
        except TimestampError:
            continue
    assert held < len(token) // 20


WRONG = {
    "the nonce of another question": "nonce mismatch",
    "another imprint": "mismatch between messages",
    "a refusal": "did not stamp: rejection",
    "no timestamp": "answered no timestamp",
    "an error": "answered with status 500",
    "too much": "answered too much",
}


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_to_another_question_is_not_taken(
    authority: Authority, other: Authority, name: str
) -> None:
    if name == "the nonce of another question":
        # The same text, asked at another time: what somebody on the way would play again.
        played = asyncio.run(_record(other, TEXT))
        authority.change_query = lambda _: played
    elif name == "another imprint":
        authority.change_query = lambda query: query.replace(_imprint(TEXT), _imprint("other\n"))
    elif name == "a refusal":
        authority.change_reply = lambda _: bytes.fromhex("30053003020102")
    elif name == "no timestamp":
        authority.change_reply = lambda _: b"<html>"
    elif name == "an error":
        authority.status = 500
    else:
        authority.change_reply = lambda reply: reply + bytes(100_000)
    with pytest.raises(TimestampError, match=WRONG[name]):
        asyncio.run(stamp(authority))


def _imprint(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def _record(authority: Authority, text: str) -> bytes:
    """The query that our client sends for a text."""
    seen: list[bytes] = []

    def keep(query: bytes) -> bytes:
        seen.append(query)
        return query

    authority.change_query = keep
    await stamp(authority, text)
    return seen[0]


def test_a_certificate_that_had_ended_at_the_token_s_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TimestampError, match="certificate has expired"):
        asyncio.run(stamp(make_authority(tmp_path / "ended", -DAY)))


def test_an_authority_of_another_ca_is_refused(authority: Authority, other: Authority) -> None:
    with pytest.raises(TimestampError, match="certificate signature failure"):
        asyncio.run(stamp(other, ca=authority.ca))


def test_nobody_there_is_told(authority: Authority) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient() as http:
            gone = TimestampAuthority("http://127.0.0.1:9", read_authorities(authority.ca), http)
            await gone.stamp(TEXT)

    with pytest.raises(TimestampError, match="cannot be asked: ConnectError"):
        asyncio.run(ask())


@pytest.fixture
def database(tmp_path: Path, authority: Authority) -> Path:
    """A log with two stamped checkpoints, as a gateway leaves it."""
    path = tmp_path / "log.db"

    async def grow() -> None:
        engine = open_engine(path)
        with serve_authority(authority) as url:
            async with httpx.AsyncClient() as http:
                asked = TimestampAuthority(url, read_authorities(authority.ca), http)
                stamps = Timestamps(WitnessedLog(engine, ORIGIN), asked, 0.001, CLOCK)
                for at in range(2):
                    log = await open_log(engine)
                    await log.append([note(f"entry {at}")])
                    await log.aclose()
                    await asyncio.sleep(1.1)  # the authority's time has whole seconds
                    await stamps.stamp_newest()
                    await stamps.stamp_newest()  # nothing new: not stamped twice
        engine.dispose()

    asyncio.run(grow())
    return path


def check(database: Path, authority: Authority, *more: str) -> tuple[int, list[dict[str, object]]]:
    arguments = ["audit", "timestamps", str(database), "--tsa-ca", str(authority.ca), "--json"]
    done = CliRunner().invoke(app, [*arguments, *more])
    return done.exit_code, json.loads(done.stdout) if done.stdout.startswith("[") else []


def test_an_auditor_sees_by_when_each_checkpoint_existed(
    database: Path, authority: Authority, other: Authority
) -> None:
    code, told = check(database, authority, "--key", SIGNER.vkey)
    assert code == 0
    assert [row["size"] for row in told] == [2, 3]
    times = [parse_time(str(row["before"])) for row in told]
    assert times == sorted(times)
    assert times[-1] <= CLOCK.now_us() + 2_500_000
    code, told = check(database, other)
    assert code == 1
    assert all(row["before"] is None for row in told)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE timestamps SET token = zeroblob(100) WHERE size = 3", "cannot be read"),
        (
            "UPDATE timestamps SET token = (SELECT token FROM timestamps WHERE size = 2) "
            "WHERE size = 3",
            "mismatch between messages",
        ),
        (
            "UPDATE timestamps SET note_text = replace(note_text, '3', '4') WHERE size = 3",
            "another one than was stamped",
        ),
        ("UPDATE timestamps SET size = 9 WHERE size = 3", "no checkpoint of this size"),
        (
            "UPDATE checkpoints SET note = replace(note, char(10) || '3' || char(10), "
            "char(10) || '7' || char(10)) WHERE size = 3",
            "another one than was stamped",
        ),
    ],
)
def test_a_stamp_that_was_tampered_with_is_named(
    database: Path, authority: Authority, statement: str, told: str
) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(statement)
    connection.close()
    code, rows = check(database, authority, "--key", SIGNER.vkey)
    assert code == 1
    assert [row["problem"] is None for row in rows] == [True, False]
    assert told in str(rows[1]["problem"])


def test_what_cannot_be_checked_is_no_success(
    database: Path, authority: Authority, tmp_path: Path
) -> None:
    assert check(tmp_path / "missing.db", authority)[0] == 2
    assert check(database, authority, "--log", "other/log")[0] == 2
    (tmp_path / "empty.pem").write_text("")
    assert check(database, Authority(tmp_path / "nothing"))[0] == 2
    assert check(database, authority, "--key", "nonsense")[0] == 2


def test_reading_leaves_the_database_as_it_was(database: Path, authority: Authority) -> None:
    before = database.read_bytes()
    check(database, authority)
    assert database.read_bytes() == before


def test_a_cosigned_note_keeps_its_stamp(authority: Authority) -> None:
    """What is stamped is the text: later signatures change nothing."""
    checkpoint = Tree().note(5)
    text, _ = split_note(checkpoint)
    token = asyncio.run(stamp(authority, text))
    cosigned, _ = split_note(checkpoint + COSIGNER.cosign(text, 5))
    assert verify_token(token, cosigned, read_authorities(authority.ca))
