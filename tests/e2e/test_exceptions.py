"""Exceptions at a live gateway: granted by two people, acting, and over on time by its clock."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import canonical
from gateway.changes.journal import Journal, JournalDraft
from gateway.clock import SystemClock, format_time
from gateway.configuration import load_configuration
from gateway.opening import open_log
from tests.fakes.live_bundles import HARD, SOFT, SOFT_CONTROL, begin_with, small
from tests.fakes.live_gateway import LiveGateway, end
from tests.fakes.live_log import Reading, verify_whole
from tests.fakes.live_people import (
    ALICE,
    asked,
    await_true,
    people_at,
    until_served,
    verdict_of,
)

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[LiveGateway]:
    """Not started: a log that begins with the small bundle."""
    made = LiveGateway.make(tmp_path / "place")
    begin_with(made, small(made, 1))
    try:
        yield made
    finally:
        end(made)


def test_an_exception_acts_and_ends_on_time(gateway: LiveGateway) -> None:
    gateway.start()
    client_uri = gateway.collector("collector-1")
    with people_at(gateway) as people, gateway.client(client_uri) as collector:
        assert verdict_of(asked(collector, "desk-1"))["action"] == "keep"
        refused = people.alice.post("/v1/exceptions", json=_wish(HARD, "vault-*"))
        assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY, refused.text
        long = people.ask_exception(SOFT, "desk-1", hours=1)["id"]
        assert (
            verdict_of(asked(collector, "desk-1"))["action"] == "keep"
        )  # asked for is not granted
        people.approve(long)
        lifted = verdict_of(until_served(collector, "desk-1"))
        assert (lifted["action"], lifted["effect"]) == ("drop", "permitted")
        controls = [reason["control"] for reason in lifted["reasons"]]
        assert f"EXCEPTION/{long}" in controls
        assert SOFT_CONTROL in controls
        assert verdict_of(asked(collector, "desk-2"))["action"] == "keep"
        assert verdict_of(asked(collector, "vault-1"))["action"] == "keep"

        expires_us = SystemClock().now_us() + 6_000_000
        short = asyncio.run(_stage_exception(gateway, format_time(expires_us), "desk-3"))
        people.approve(short)
        lifted = verdict_of(until_served(collector, "desk-3"))
        assert lifted["action"] == "drop"
        assert lifted["lease"] is None or lifted["lease"]["expires"] <= format_time(expires_us)
        body, last_us = _ask_until_kept(collector, "desk-3")
        assert last_us <= expires_us, "dropped after the exception's end"
        people.await_stage(short, "ended")
        assert (
            verdict_of(until_served(collector, "desk-1"))["action"] == "drop"
        )  # the other goes on
    reading = Reading.of(gateway)
    reading.verify_decisions()
    [ended] = reading.about("exception.ended", short)
    assert ended.body["cause"] == "expired"
    assert ended.body["change"]["approval_id"] == "CHG-1"
    assert expires_us <= ended.time_us < expires_us + 5_000_000
    assert reading.about("exception.granted", short)[0].seq < ended.seq
    assert not reading.about("exception.ended", long)
    assert body["policy"]["activation"] <= ended.seq
    verify_whole(gateway)


def test_an_exception_that_ends_while_nobody_runs_is_over_at_the_start(
    gateway: LiveGateway,
) -> None:
    gateway.start()
    uri = gateway.collector("collector-1")
    expires_us = SystemClock().now_us() + 4_000_000
    id = asyncio.run(_stage_exception(gateway, format_time(expires_us), "desk-1"))
    with people_at(gateway) as people, gateway.client(uri) as collector:
        people.approve(id)
        assert verdict_of(until_served(collector, "desk-1"))["action"] == "drop"
    gateway.kill()
    await_true(lambda: SystemClock().now_us() > expires_us, lambda: "the clock stands")
    gateway.start()
    with people_at(gateway) as people, gateway.client(uri) as collector:
        assert verdict_of(asked(collector, "desk-1"))["action"] == "keep"
        people.await_stage(id, "ended")
    reading = Reading.of(gateway)
    reading.verify_decisions()
    assert [entry.body["cause"] for entry in reading.about("exception.ended", id)] == ["expired"]


def _wish(rule: str, glob: str) -> dict[str, Any]:
    return {"rules": [rule], "glob": glob, "hours": 1, "reason": "a night of repairs"}


def _ask_until_kept(collector: httpx.Client, name: str) -> tuple[dict[str, Any], int]:
    """The first answer that keeps, and when the last one that drops was asked for."""
    last_us = 0
    for _ in range(1_000):
        now_us = SystemClock().now_us()
        body = asked(collector, name)
        if verdict_of(body)["action"] == "keep":
            return body, last_us
        last_us = now_us
        time.sleep(0.1)
    raise AssertionError(f"{name} is dropped without end")


async def _stage_exception(gateway: LiveGateway, expires: str, glob: str) -> str:
    """As alice's request, but shorter than an hour: another writer appends it to the journal."""
    config = load_configuration(gateway.settings)
    async with open_log(config, gateway.settings, SystemClock()) as opened:
        change: dict[str, canonical.Value] = {
            "approval_id": "",
            "change_type": "exception.request",
            "justification": "seconds",
            "new_value": glob,
            "previous_value": "",
            "user": ALICE,
        }
        subject: dict[str, canonical.Value] = {
            "environment": "",
            "expires": expires,
            "pattern": {"glob": glob},
            "reason": "seconds",
            "region": "",
            "rules": [SOFT],
        }
        draft = JournalDraft(
            "change.staged",
            lambda seq: {
                "change": change,
                "key": "0" * 64,
                "kind": "exception",
                "subject": subject,
            },
        )
        state = await Journal(opened.log, SystemClock()).append(opened.actor, lambda _: [draft])
        return f"c{state.journal}"
