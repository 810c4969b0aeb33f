import socket

import pytest

from gateway.configuration import Listen
from gateway.errors import ConfigError
from gateway.serving import reserve_address


def test_a_reserved_address_answers_nobody_yet() -> None:
    with reserve_address(Listen(port=0)) as reserved:
        port = reserved.getsockname()[1]
        assert port > 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_taken_port_is_one_sentence_with_the_mend() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf":{port} cannot be listened on .*another port"):
            reserve_address(Listen(port=port))


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no-such-host\.invalid"):
        reserve_address(Listen(host="no-such-host.invalid", port=0))
