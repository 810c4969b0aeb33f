import asyncio

from gateway.api.published import Published


def test_who_waits_hears_of_the_next_value_and_not_of_the_same() -> None:
    async def scenario() -> None:
        published = Published(1)
        waiting = [
            asyncio.create_task(published.wait_until(lambda value: value != 1, 5)) for _ in range(3)
        ]
        await asyncio.sleep(0)
        published.publish(1)
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        published.publish(2)
        assert await asyncio.gather(*waiting) == [True] * 3
        assert published.current() == 2

    asyncio.run(scenario())


def test_what_is_met_already_does_not_wait_and_time_runs_out() -> None:
    async def scenario() -> None:
        published = Published("a")
        assert await published.wait_until(lambda value: value == "a", 0)
        assert not await published.wait_until(lambda value: value == "b", 0.01)

    asyncio.run(scenario())


def test_closing_lets_everybody_go_now_and_later() -> None:
    async def scenario() -> None:
        published = Published(1)
        waiting = asyncio.create_task(published.wait_until(lambda value: value != 1, 60))
        await asyncio.sleep(0)
        published.close()
        assert not await waiting
        assert not await published.wait_until(lambda value: value != 1, 60)
        assert published.is_closed

    asyncio.run(scenario())
