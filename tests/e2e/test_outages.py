"""A real gateway whose OPA goes away, and one that is told to stop: cost rises, evidence does not
fall, and what was accepted is answered."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.transparency.report import check_database
from gateway.transparency.verdict import Word
from tests.fakes.live_gateway import OPERATOR_URI, LiveGateway, end, proposals

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(240)]
CLIENTS = 8


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[LiveGateway]:
    """A gateway of its own for each test, whose OPA is a link in its folder."""
    made = LiveGateway.make(tmp_path / "place")
    settings = made.workplace.gateway_yaml
    text = settings.read_text(encoding="utf-8")
    real = text.partition('opa: "')[2].partition('"')[0]
    (made.workplace.folder / "opa").symlink_to(real)
    settings.write_text(text.replace(f'opa: "{real}"', "opa: opa"), encoding="utf-8")
    try:
        made.start()
        yield made
    finally:
        end(made)


def test_without_opa_all_is_kept_until_it_is_back(gateway: LiveGateway) -> None:
    link = gateway.workplace.folder / "opa"
    real = link.readlink()
    with (
        gateway.client(gateway.collector("collector-1")) as collector,
        gateway.client(OPERATOR_URI) as operator,
    ):
        assert _verdict(collector, "log-shipper-1")["effect"] == "permitted"
        link.unlink()  # it cannot be started again
        _kill_children(gateway, signal.SIGKILL)
        answer = gateway.await_status(operator, "/readyz", 503)
        assert list(answer.json()["causes"]) == ["engine"]
        assert answer.json()["causes"]["engine"]
        verdict = _verdict(collector, "log-shipper-2")
        assert (verdict["action"], verdict["effect"]) == ("keep", "fail_safe")
        assert verdict["lease"] is None
        assert verdict["reasons"]
        assert operator.get("/healthz").status_code == 200
        assert "gateway_ready 0.0" in operator.get("/metrics").text
        link.symlink_to(real)
        gateway.await_status(operator, "/readyz", 200)
        verdict = _verdict(collector, "log-shipper-3")
        assert (verdict["action"], verdict["effect"]) == ("drop", "permitted")
    _assert_recorded_fail_safe(gateway)


def test_opa_that_hangs_is_replaced(gateway: LiveGateway) -> None:
    with gateway.client(gateway.collector("collector-1")) as collector:
        (hung,) = _kill_children(gateway, signal.SIGSTOP)
        verdict = _verdict(collector, "log-shipper-1")
        assert (verdict["action"], verdict["effect"]) == ("keep", "fail_safe")
        number, verdict = 1, {"effect": "fail_safe"}
        while verdict["effect"] != "permitted":  # the timeout of the test ends it
            number += 1
            verdict = _verdict(collector, f"log-shipper-{number}")
            assert verdict["action"] == "keep" or verdict["effect"] == "permitted"
        assert hung not in gateway.children()
    _assert_recorded_fail_safe(gateway)


def test_requests_in_flight_are_answered_at_sigterm(gateway: LiveGateway) -> None:
    answers: dict[int, httpx.Response] = {}
    sent = threading.Semaphore(0)

    def ask(number: int, client: httpx.Client) -> None:
        def trace(event: str, _: object) -> None:
            if event == "http11.send_request_body.complete":
                sent.release()

        answers[number] = client.post(
            "/v1/decisions",
            json=proposals([f"log-shipper-{number}"]),
            extensions={"trace": trace},
        )

    uri = gateway.collector("collector-1")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(gateway.client(uri)) for _ in range(CLIENTS)]
        for client in clients:
            assert client.get("/healthz").status_code == 200
        (opa,) = _kill_children(gateway, signal.SIGSTOP)  # no request ends before its time
        threads = [threading.Thread(target=ask, args=pair) for pair in enumerate(clients)]
        for thread in threads:
            thread.start()
        assert all(sent.acquire(timeout=30) for _ in threads)
        time.sleep(0.3)  # what was sent has been read
        in_flight = CLIENTS - len(answers)
        gateway.running.terminate()
        time.sleep(0.3)
        with contextlib.suppress(ProcessLookupError):  # hung so long that it was replaced
            os.kill(opa, signal.SIGCONT)
        for thread in threads:
            thread.join(60)
        assert in_flight
        assert sorted(answers) == list(range(CLIENTS))
        assert gateway.running.wait(40) == 0, gateway.last_words()
    leaves = gateway.leaves()
    for answer in answers.values():
        assert answer.status_code == 200, answer.text
        named = answer.json()["entries"]
        assert named
        assert all(leaves[entry["index"]].hex() == entry["leaf_hash"] for entry in named)
    assert gateway.entries()[-1].type == "gateway.stopped"
    assert "Traceback" not in gateway.last_words()
    assert not Path(f"/proc/{opa}").exists()
    anchor = gateway.workplace.folder / "anchor"
    notes = [answer.json()["checkpoint"] for answer in answers.values()]
    anchor.write_text(next(note for note in notes if note), encoding="utf-8")
    verdict = check_database(
        gateway.workplace.database, str(gateway.workplace.log_key), None, [anchor]
    )
    assert verdict.word is Word.OK, verdict  # the last checkpoint covers the last entry


def _verdict(client: httpx.Client, name: str) -> dict[str, Any]:
    answer = client.post("/v1/decisions", json=proposals([name]))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert len(body["refs"]) == 1
    verdict: dict[str, Any] = body["verdicts"][body["refs"][0][1]]
    return verdict


def _kill_children(gateway: LiveGateway, number: signal.Signals) -> list[int]:
    """Send the gateway's OPA a signal; its process ids."""
    children = gateway.children()
    assert children
    for pid in children:
        os.kill(pid, number)
    return children


def _assert_recorded_fail_safe(gateway: LiveGateway) -> None:
    """Fail-safe verdicts stand in the log, with their codes."""
    decisions = [entry.body for entry in gateway.entries() if entry.type == "decisions"]
    assert any(body["fail_safe"] for body in decisions)
