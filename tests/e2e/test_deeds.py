"""Retention, holds and erasure at a live gateway: nobody removes anything alone, the gateway does
what two people asked for, and the log says so and still verifies."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.audit.port import Draft, Payload
from gateway.clock import ManualClock, parse_time
from gateway.configuration import load_configuration
from gateway.demo.workplace import TRUST_DOMAIN
from gateway.opening import open_log
from gateway.transparency.notes import Signer, Verifier
from gateway.transparency.report import check_database
from tests.fakes.deeds import class_id
from tests.fakes.live_gateway import LiveGateway, end
from tests.fakes.live_log import Reading
from tests.fakes.live_people import People, asked, await_true, people_at

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(300)]

LONG_AGO_US = parse_time("2025-03-10T12:00:00.000000Z")
OLD = class_id(7)
RETENTION = "\nretention: {payloads: [{days: 30}]}\n"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[LiveGateway]:
    """Not started: a log with one payload of a month that is long over."""
    made = LiveGateway.make(tmp_path / "place")
    with made.settings.open("a", encoding="utf-8") as settings:
        settings.write(RETENTION)
    asyncio.run(_begin_long_ago(made))
    try:
        yield made
    finally:
        end(made)


def test_a_month_is_purged_by_two_people_and_never_under_a_hold(gateway: LiveGateway) -> None:
    gateway.start()
    with people_at(gateway) as people:
        [due] = _got(people.alice.get("/v1/deeds/due"))["months"]
        assert (due["month"], due["payloads"], due["kept_by"]) == ("2025-03", 1, [])
        hold = _got(people.bob.post("/v1/holds", json=_hold()))["id"]
        refused = people.alice.post("/v1/deeds", json=_purge(due["key"]))
        assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY, refused.text
        assert f"hold {hold} keeps it" in refused.text
        _do(people, _got(people.alice.post("/v1/deeds", json=_release(hold)))["id"])
        assert _got(people.alice.get("/v1/holds"))["holds"] == []

        id = _got(people.alice.post("/v1/deeds", json=_purge(due["key"])))["id"]
        _verify_nobody_approves_their_own(gateway, people, id)
        assert _rows(gateway, "month_keys", "month = '2025-03'") == 1
        _do(people, id)
        assert _rows(gateway, "month_keys", "month = '2025-03'") == 0
        assert _got(people.alice.get("/v1/deeds/due"))["months"] == []
    _verify_whole_but(gateway, "PURGED")
    [entry] = Reading.of(gateway).about("payloads.purged", id)
    assert entry.actor == gateway.uri
    assert (entry.body["month_keys"], entry.body["payloads"]) == ([due["key"]], 1)
    assert entry.body["change"]["approval_id"] == "CHG-1"


def test_one_persons_payloads_are_erased_by_two_people(gateway: LiveGateway) -> None:
    gateway.start()
    uri = gateway.collector("collector-1")
    with people_at(gateway) as people, gateway.client(uri) as collector:
        asked(collector, "shell-of-carol")
        asked(collector, "batch-1")
        wish = {"attributes": {"process.executable.name": "shell-of-carol"}, "request": "DSR-7"}
        found = _got(people.alice.post("/v1/deeds/match", json=wish))
        classes = [one for one, _ in found["classes"]]
        assert len(classes) == 1
        deed = {
            "kind": "erasure",
            "subject": {"classes": classes, "request": "DSR-7"},
            "justification": "the right to be forgotten",
        }
        id = _got(people.alice.post("/v1/deeds", json=deed))["id"]
        assert "destroys 1 payload " in people.show(id)["deed"]["does"][0]
        _do(people, id)
        assert _got(people.alice.post("/v1/deeds/match", json=wish))["classes"] == []
    _verify_whole_but(gateway, "ERASED")
    reading = Reading.of(gateway)
    [entry] = reading.about("payloads.erased", id)
    assert entry.body["classes"] == classes
    assert _rows(gateway, "payloads", f"class_id = '{classes[0]}'") == 0
    assert _rows(gateway, "payload_keys", f"class_id = '{classes[0]}'") == 0
    openings = reading.types("payload.opened")
    assert {opening.body["purpose"] for opening in openings} == {"erasure request DSR-7"}
    assert classes[0] in openings[0].body["classes"]
    assert not any(b"carol" in canonical.encode(dict(one.body)) for one in reading.entries.values())


def test_a_hand_over_from_another_key_than_the_logs_is_refused_when_asked_for(
    gateway: LiveGateway,
) -> None:
    gateway.start()
    now = Verifier.from_vkey(gateway.workplace.log_key.read_text(encoding="utf-8").strip())
    other, new = (Signer(now.name, Ed25519PrivateKey.generate()).vkey for _ in range(2))
    with people_at(gateway) as people:
        refused = people.alice.post("/v1/deeds", json=_handover(other, new))
        assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY, refused.text
        assert "the old key is not the log's newest" in refused.text
        assert _got(people.alice.post("/v1/deeds", json=_handover(now.vkey, new)))["id"]


def _handover(old: str, new: str) -> dict[str, Any]:
    subject = {"old": old, "new": new}
    return {"kind": "key", "subject": subject, "justification": "yearly"}


def _verify_whole_but(gateway: LiveGateway, flag: str) -> None:
    """Stopped, the log verifies with its key and says what is lawfully gone."""
    assert gateway.stop() == 0
    verdict = check_database(gateway.workplace.database, str(gateway.workplace.log_key))
    assert verdict.exit_code == 3, verdict  # nothing outside says how long it must be
    assert verdict.flags == (flag,), verdict


def _verify_nobody_approves_their_own(gateway: LiveGateway, people: People, id: str) -> None:
    said = {"justification": "mine", "approval_id": "CHG-1", "bundle": "", "losses": []}
    path = f"/v1/changes/{id}/approve"
    assert people.alice.post(path, json=said).status_code == httpx.codes.FORBIDDEN
    gateway.enrol("approver/alice")  # she may have got herself that role, too
    with gateway.client(f"spiffe://{TRUST_DOMAIN}/approver/alice") as also_alice:
        refused = also_alice.post(path, json=said)
    assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY, refused.text
    assert "somebody else" in refused.text


def _do(people: People, id: str) -> None:
    """Bob approves, the gateway does."""
    people.approve(id)
    view: dict[str, Any] = {}

    def is_done() -> bool:
        view.update(people.show(id))
        return bool(view["stage"] == "active")

    await_true(is_done, lambda: f"{id} is not done: {view}")


async def _begin_long_ago(gateway: LiveGateway) -> None:
    config = load_configuration(gateway.settings)
    clock = ManualClock(LONG_AGO_US)
    async with open_log(config, gateway.settings, clock) as opened:
        note = Draft("test.note", opened.actor, canonical.encode({"note": "long ago"}))
        await opened.log.append([note], [Payload(OLD, "eu-west-1", "standard", b"{}")])


def _purge(key: str) -> dict[str, Any]:
    subject = {"what": "payloads", "month_keys": [key]}
    return {"kind": "purge", "subject": subject, "justification": "its time is over"}


def _release(hold: str) -> dict[str, Any]:
    return {"kind": "release", "subject": {"hold": hold}, "justification": "the claim is settled"}


def _hold() -> dict[str, str]:
    return {"region": "eu-west-1", "to": "2025-06", "justification": "a claim"}


def _rows(gateway: LiveGateway, table: str, where: str) -> int:
    with closing(sqlite3.connect(gateway.workplace.database)) as connection:
        [count] = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()
    return int(count)


def _got(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    value: dict[str, Any] = answer.json()
    return value
