"""Sealed data is handed to who has the token, once, and to nobody else."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import httpx

from gateway.engine.handout import TOKEN_VARIABLE, Handout, handed_out

ARCHIVE = b"sealed data in clear"


def run(scenario: Callable[[Handout, str, httpx.AsyncClient], Awaitable[None]]) -> None:
    async def over() -> None:
        async with handed_out(ARCHIVE) as handout, httpx.AsyncClient() as client:
            assert handout is not None
            url = re.search(r"url: (\S+)", handout.configuration())
            assert url is not None
            await scenario(handout, url[1] + "/sealed", client)

    asyncio.run(over())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_token_opens_it_once() -> None:
    async def scenario(handout: Handout, url: str, client: httpx.AsyncClient) -> None:
        first = await client.get(url, headers=bearer(handout.token))
        assert (first.status_code, first.content) == (200, ARCHIVE)
        assert first.headers["content-type"] == "application/vnd.openpolicyagent.bundles"
        assert handout.was_taken
        second = await client.get(url, headers=bearer(handout.token))
        assert (second.status_code, second.content) == (401, b"")

    run(scenario)


def test_nothing_else_opens_it_or_spends_the_token() -> None:
    async def scenario(handout: Handout, url: str, client: httpx.AsyncClient) -> None:
        for token in ("x", handout.token[:-1], handout.token + "x", "é"):
            sent = {b"Authorization": f"Bearer {token}".encode()}
            assert (await client.get(url, headers=sent)).status_code == 401
        assert (await client.get(url)).status_code == 401
        good = bearer(handout.token)
        assert (await client.get(url + "/x", headers=good)).status_code == 404
        assert (await client.post(url, headers=good)).status_code == 404
        assert not handout.was_taken

    run(scenario)


def test_two_who_ask_at_once_do_not_both_get_it() -> None:
    async def scenario(handout: Handout, url: str, client: httpx.AsyncClient) -> None:
        asked = [client.get(url, headers=bearer(handout.token)) for _ in range(8)]
        answers = await asyncio.gather(*asked)
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7

    run(scenario)


def test_it_is_gone_when_the_start_is_over() -> None:
    async def scenario(handout: Handout, url: str, client: httpx.AsyncClient) -> None:
        await handout.aclose()
        try:
            await client.get(url, headers=bearer(handout.token))
        except httpx.ConnectError:
            return
        raise AssertionError("it still listens")

    run(scenario)


def test_the_configuration_holds_neither_token_nor_data() -> None:
    async def scenario(handout: Handout, url: str, client: httpx.AsyncClient) -> None:
        text = handout.configuration()
        assert handout.token not in text
        assert f"${{{TOKEN_VARIABLE}}}" in text
        assert "persist: false" in text

    run(scenario)


def test_without_sealed_data_nothing_listens() -> None:
    async def over() -> None:
        async with handed_out(None) as handout:
            assert handout is None

    asyncio.run(over())
