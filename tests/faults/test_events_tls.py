"""The event stream over real mutual TLS: heard at once, cut off when its subject is, let go at the
end."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gateway.identity.tls import client_context
from tests.fakes.bundle_gateway import ENGINE, BundleGateway
from tests.fakes.bundles import small_bundle
from tests.fakes.pki import COLLECTOR


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[BundleGateway]:
    with BundleGateway(tmp_path / "keys", small_bundle()) as gateway:
        yield gateway


@contextmanager
def listening(gateway: BundleGateway, uri: str) -> Iterator[Iterator[str]]:
    context = client_context(*gateway.domain.files(uri), gateway.domain.ca)
    with (
        httpx.Client(verify=context, trust_env=False, base_url=gateway.url, timeout=10) as client,
        client.stream("GET", "/v1/events") as answer,
    ):
        assert answer.status_code == 200
        yield answer.iter_lines()


def next_activation(lines: Iterator[str]) -> int:
    for line in lines:
        if line.startswith("data: "):
            activation = json.loads(line.removeprefix("data: "))["activation"]
            assert isinstance(activation, int)
            return activation
    raise AssertionError("the stream has ended")


def test_a_change_is_heard_within_a_second(gateway: BundleGateway) -> None:
    with listening(gateway, COLLECTOR) as lines:
        assert next_activation(lines) == 1
        for number in (2, 3, 4):
            started = time.monotonic()
            gateway.publish(small_bundle(version=number))
            assert next_activation(lines) == number
            assert time.monotonic() - started < 1


def test_a_revoked_subject_s_stream_ends_and_another_s_goes_on(gateway: BundleGateway) -> None:
    with listening(gateway, ENGINE) as cut_off, listening(gateway, COLLECTOR) as entitled:
        assert next_activation(cut_off) == next_activation(entitled) == 1
        gateway.domain.revoke(ENGINE)
        started = time.monotonic()
        rest = list(cut_off)  # returns: the stream has ended
        assert time.monotonic() - started < 5
        assert not any(line.startswith("data:") for line in rest)
        gateway.publish(small_bundle(version=2))
        assert next_activation(entitled) == 2


def test_open_streams_do_not_hold_up_the_end(tmp_path: Path) -> None:
    gateway = BundleGateway(tmp_path / "keys", small_bundle())
    heard: list[str] = []
    connected = threading.Event()

    def listen() -> None:
        with listening(gateway, COLLECTOR) as lines:
            next_activation(lines)
            connected.set()
            heard.extend(lines)

    reader = threading.Thread(target=listen)
    with gateway:
        reader.start()
        assert connected.wait(10)
        started = time.monotonic()
    assert time.monotonic() - started < 1.5  # the server's own patience is 2 s
    reader.join(10)
    assert not any(line.startswith("data:") for line in heard)
