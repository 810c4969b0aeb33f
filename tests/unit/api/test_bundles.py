"""OPA's bundle service API, in-process; tests/interop has it with a real OPA."""

import asyncio
from typing import Any

import httpx
import pytest

from gateway.api import bundles
from gateway.api.bundles import MEDIA_TYPE
from gateway.identity.subject import Role
from gateway.transparency.entry import parse_entry
from tests.fakes.api import SUBJECTS, Service
from tests.fakes.outer import ARCHIVE, BUNDLE, SEALED

ENGINE = SUBJECTS[Role.ENGINE]
PATH = f"/bundles/{BUNDLE}"
TAG = '"3-7-00aa"'
LONG_POLL = {"if-none-match": TAG, "prefer": "modes=snapshot,delta;wait=30"}


def get(service: Service, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.call("GET", PATH, ENGINE, headers=named)


def test_the_archive_is_served_byte_for_byte_as_opa_wants_it() -> None:
    answer = get(Service())
    assert (answer.status_code, answer.content) == (200, ARCHIVE)
    assert answer.headers["content-type"] == MEDIA_TYPE  # exactly: OPA compares it
    assert answer.headers["etag"] == TAG


@pytest.mark.parametrize("tags", [TAG, f"W/{TAG}", f'"other", {TAG}', f' {TAG} ,"x"'])
def test_who_has_it_already_gets_304(tags: str) -> None:
    answer = get(Service(), if_none_match=tags)
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == TAG


@pytest.mark.parametrize("tags", ["", '"other"', "3-7-00aa", '"3-7"', "*", '"', '""', '","'])
def test_who_does_not_gets_the_bundle_even_when_it_would_wait(tags: str) -> None:
    answer = get(Service(), if_none_match=tags, prefer="modes=snapshot,delta;wait=30")
    assert answer.status_code == 200


def test_another_name_is_not_found_and_tells_the_right_one() -> None:
    answer = Service().call("GET", "/bundles/other", ENGINE)
    assert answer.status_code == 404
    assert BUNDLE in answer.json()["detail"]


def test_before_the_first_activation_there_is_none() -> None:
    service = Service()
    service.outer.bundles.publish(("", b""))
    for headers in ({}, LONG_POLL):
        answer = service.call("GET", PATH, ENGINE, headers=headers)
        assert answer.json()["type"].endswith(":not-ready")


async def until_waiting(tasks: int = 1) -> None:
    for _ in range(50 * tasks):
        await asyncio.sleep(0)


def test_a_held_question_is_answered_as_soon_as_there_is_another_bundle() -> None:
    service = Service()

    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        held = asyncio.create_task(client.get(PATH, headers=LONG_POLL))
        await until_waiting()
        assert not held.done()
        service.outer.bundles.publish(("4-8-00bb", b"new"))
        async with asyncio.timeout(2):
            return await held

    answer = service.run(talk, ENGINE)
    assert (answer.status_code, answer.content) == (200, b"new")
    assert answer.headers["etag"] == '"4-8-00bb"'


def test_a_wait_of_nothing_is_answered_at_once() -> None:
    answer = get(Service(), if_none_match=TAG, prefer="wait=0")
    assert answer.status_code == 304


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("modes=snapshot,delta;wait=10", 10),
        ("wait=10", 10),
        ("respond-async, wait = 10", 10),
        ('wait="10"', 10),
        ("wait=61", 60),
        ("wait=999999999", 60),
        ("wait=9999999999", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("await=10", 0),
        ("modes=snapshot,delta", 0),
        ("", 0),
    ],
)
def test_how_long_it_may_be_held(prefer: str, seconds: float) -> None:
    assert bundles._wait_seconds(prefer) == seconds


def test_past_the_limit_of_held_questions_more_are_turned_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 304 at once would be asked again at once, for ever."""
    monkeypatch.setattr(bundles, "MAX_WAITING", 2)
    service = Service()

    async def talk(client: httpx.AsyncClient) -> list[Any]:
        held = [asyncio.create_task(client.get(PATH, headers=LONG_POLL)) for _ in range(2)]
        await until_waiting(2)
        refused = await client.get(PATH, headers=LONG_POLL)
        fresh = await client.get(PATH)
        service.outer.bundles.publish(("4-8-00bb", b"new"))
        answered = await asyncio.gather(*held)
        service.outer.bundles.publish(("3-7-00aa", ARCHIVE))
        again = asyncio.create_task(client.get(PATH, headers=LONG_POLL))
        await until_waiting()
        service.outer.bundles.close()
        return [refused, fresh, *answered, await again]

    refused, *rest = service.run(talk, ENGINE)
    assert refused.json()["type"].endswith(":overloaded")
    assert [answer.status_code for answer in rest] == [200, 200, 200, 304]


def test_an_engine_revoked_while_it_waited_gets_no_bundle() -> None:
    service = Service()

    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        held = asyncio.create_task(client.get(PATH, headers=LONG_POLL))
        await until_waiting()
        service.trust.cut_off[ENGINE] = "the certificate is revoked"
        service.outer.bundles.publish(("4-8-00bb", b"new"))
        return await held

    answer = service.run(talk, ENGINE)
    assert answer.status_code == 401
    assert b"new" not in answer.content


SEALED_PATH = f"{PATH}.sealed"
OTHER_ENGINE = "spiffe://example.org/engine/opa-2"


def denials(service: Service) -> list[tuple[str, Any]]:
    entries = map(parse_entry, service.desk.log.entries)
    return [(entry.actor, entry.body) for entry in entries if entry.type == "denial"]


def test_sealed_data_is_served_to_an_engine_that_is_listed() -> None:
    service = Service()
    answer = service.call("GET", SEALED_PATH, ENGINE)
    assert (answer.status_code, answer.content) == (200, SEALED)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["cache-control"] == "no-store"
    etag = answer.headers["etag"]
    assert etag == '"3-7-00aa.sealed.00"'
    again = service.call("GET", SEALED_PATH, ENGINE, headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert denials(service) == []


def test_another_engine_is_refused_and_that_is_recorded() -> None:
    service = Service()
    answer = service.call("GET", SEALED_PATH, OTHER_ENGINE)
    assert answer.status_code == 403
    assert SEALED not in answer.content
    [(actor, body)] = denials(service)
    assert actor == OTHER_ENGINE
    assert (body["route"], body["status"]) == (f"GET {SEALED_PATH}", 403)
    assert "policies.sealed_engines" in body["reason"]
    assert service.call("GET", PATH, OTHER_ENGINE).status_code == 200  # the bundle is for all


def test_no_other_role_gets_sealed_data() -> None:
    for role, uri in SUBJECTS.items():
        if role != Role.ENGINE:
            assert Service().call("GET", SEALED_PATH, uri).status_code == 403


def test_a_bundle_without_sealed_data_offers_none() -> None:
    service = Service()
    service.outer.sealed.publish(("", b""))
    answer = service.call("GET", SEALED_PATH, ENGINE)
    assert answer.status_code == 404
    assert "no sealed data" in answer.json()["detail"]


def test_a_held_question_hears_that_sealed_data_is_gone() -> None:
    service = Service()
    headers = {"if-none-match": '"3-7-00aa.sealed.00"', "prefer": "wait=30"}

    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        held = asyncio.create_task(client.get(SEALED_PATH, headers=headers))
        await until_waiting()
        assert not held.done()
        service.outer.sealed.publish(("", b""))
        async with asyncio.timeout(2):
            return await held

    answer = service.run(talk, ENGINE)
    assert answer.status_code == 404
    assert SEALED not in answer.content
