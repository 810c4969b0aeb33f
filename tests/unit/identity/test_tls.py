import ssl
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.identity.tls import client_context, server_context
from tests.fakes.pki import COLLECTOR, GATEWAY, Domain


def test_both_ends_demand_certificates_and_tls_1_3(domain: Domain) -> None:
    server = server_context(*domain.files(GATEWAY), domain.ca)
    client = client_context(*domain.files(COLLECTOR), domain.ca)
    for context in (server, client):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_3
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.verify_flags & ssl.VERIFY_X509_STRICT
    assert server.num_tickets == 0
    assert client.check_hostname


@pytest.mark.parametrize("broken", [0, 1, 2])
@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_errors_name_the_file(domain: Domain, broken: int, content: bytes | None) -> None:
    files = [*domain.files(GATEWAY), domain.ca]
    if content is None:
        files[broken].unlink()
    else:
        files[broken].write_bytes(content)
    for make in (server_context, client_context):
        with pytest.raises(ConfigError) as caught:
            make(files[0], files[1], files[2])
        assert str(files[broken]) in str(caught.value)


def test_key_of_another_subject_is_refused(domain: Domain) -> None:
    certificate, _ = domain.files(GATEWAY)
    _, key = domain.files(COLLECTOR)
    with pytest.raises(ConfigError, match="of the same subject"):
        server_context(certificate, key, domain.ca)


def test_folder_in_place_of_a_file_is_refused(domain: Domain, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        server_context(*domain.files(GATEWAY), tmp_path)
