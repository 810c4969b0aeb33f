"""What a collector hears of another activation, over a stream of server-sent events."""

import threading
from collections.abc import Iterator

import httpx

from collector.client.policy_feed import PolicyFeed

WAIT_SECONDS = 10.0


class _Stream(httpx.SyncByteStream):
    def __init__(self, parts: list[bytes], ends: threading.Event) -> None:
        self._parts = parts
        self._ends = ends

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        self._ends.wait(WAIT_SECONDS)


def _feed(*connections: list[bytes], ends: threading.Event, status: int = 200) -> PolicyFeed:
    waiting = list(connections)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/events"
        parts = waiting.pop(0) if waiting else []
        return httpx.Response(status, stream=_Stream(parts, ends))

    return PolicyFeed(
        lambda: httpx.Client(transport=httpx.MockTransport(answer), base_url="https://gateway")
    )


def _hear(feed: PolicyFeed, ends: threading.Event, activation: int) -> int | None:
    feed.start()
    try:
        while feed.heard != activation and feed.changed.wait(WAIT_SECONDS):
            feed.changed.clear()
        return feed.heard
    finally:
        feed.close()
        ends.set()


def test_the_newest_activation_is_heard_whatever_stands_between() -> None:
    ends = threading.Event()
    parts = [
        b'event: policy\ndata: {"activation": 3, "revision": "1-aa"}\n\n',
        b": heartbeat\n\n",
        b"data: not json\n\ndata: {}\n\n",
        b'event: policy\ndata: {"activation": 9,',
        b' "revision": "2-bb"}\n\n',
    ]
    assert _hear(_feed(parts, ends=ends), ends, 9) == 9


def test_a_stream_that_ends_is_opened_again() -> None:
    ends = threading.Event()
    ends.set()
    feed = _feed([b'data: {"activation": 3}\n\n'], [b'data: {"activation": 4}\n\n'], ends=ends)
    assert _hear(feed, ends, 4) == 4


def test_a_refusal_is_nothing_heard() -> None:
    ends = threading.Event()
    ends.set()
    feed = _feed([b'data: {"activation": 3}\n\n'], ends=ends, status=403)
    feed.start()
    assert not feed.changed.wait(0.3)
    feed.close()
    assert feed.heard is None
