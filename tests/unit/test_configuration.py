from pathlib import Path

import pytest

from gateway.configuration import database_url, load_configuration
from gateway.errors import ConfigError

WHOLE = """\
trust_domain: example.org
tls: {certificate: keys/gateway.pem, key: keys/gateway.key, ca: /etc/ca.pem}
log: {origin: example.org/log, database: "sqlite:///gateway.db", checkpoint_key: keys/log.key}
policies: {bundle: policies.tar.gz, bundle_keys: [author.pub]}
key_service: {age_identity: keys/age.txt}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_and_paths_beside_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)
    found = load_configuration(path)
    assert found.tls.certificate == tmp_path / "keys/gateway.pem"
    assert found.tls.ca == Path("/etc/ca.pem")
    assert found.tls.crl is None
    assert found.policies.bundle == tmp_path / "policies.tar.gz"
    assert found.policies.bundle_keys == (tmp_path / "author.pub",)
    assert (found.rollout.share_permille, found.rollout.dwell_seconds) == (200, 600)
    assert found.engine.remote is None
    assert found.engine.opa == tmp_path / ".parts/bin/opa"  # not of where the gateway is started
    assert (found.listen.host, found.listen.port) == ("127.0.0.1", 8443)
    assert found.policies.max_age_days == 90
    assert found.limits.body_bytes == 2 * 1024 * 1024
    assert database_url(found, path) == f"sqlite:///{tmp_path / 'gateway.db'}"


@pytest.mark.parametrize(
    "url", ["sqlite:////var/lib/gateway.db", "postgresql+psycopg://gateway@db/log"]
)
def test_other_database_urls_stay_as_they_are(tmp_path: Path, url: str) -> None:
    path = write(tmp_path, WHOLE.replace("sqlite:///gateway.db", url))
    assert database_url(load_configuration(path), path) == url


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("trust_domain: example.org", "", "trust_domain"),
        ("trust_domain: example.org", "trust_domain: 7", "trust_domain"),
        (
            "{bundle: policies.tar.gz, bundle_keys: [author.pub]}",
            "{bundle: policies.tar.gz, bundle_keys: [author.pub], max_age_days: 0}",
            "policies.max_age_days",
        ),
        (
            "{bundle: policies.tar.gz, bundle_keys: [author.pub]}",
            "{bundle: policies.tar.gz, bundle_keys: [author.pub], max_age_days: 367}",
            "policies.max_age_days",
        ),
        (
            "{bundle: policies.tar.gz, bundle_keys: [author.pub]}",
            "{bundle: policies.tar.gz, bundle_keys: [author.pub], max_age_days: 1.5}",
            "policies.max_age_days",
        ),
        ("{bundle: policies.tar.gz, bundle_keys: [author.pub]}", "{bundle: 7}", "policies.bundle"),
        ("{bundle: policies.tar.gz, bundle_keys: [author.pub]}", '{bundle: ""}', "policies.bundle"),
        (
            "{bundle: policies.tar.gz, bundle_keys: [author.pub]}",
            "{bundel: policies, bundle_keys: [author.pub]}",
            "bundel",
        ),
        (
            "{bundle: policies.tar.gz, bundle_keys: [author.pub]}",
            "{bundle: policies.tar.gz, bundle_keys: [author.pub], floor_keys: x}",
            "policies.floor_keys",
        ),
        (", bundle_keys: [author.pub]", "", "bundle_keys"),
        ("key_service:", "rollout: {share_permille: 0}\nkey_service:", "rollout.share_permille"),
        ("key_service:", "rollout: {regions: [a/b]}\nkey_service:", "rollout.regions"),
        (
            "key_service:",
            "engine: {remote: {servers: [], ca: a, certificate: b, key: c}}\nkey_service:",
            "engine.remote.servers",
        ),
        ("key_service:", "listen: {port: 65536}\nkey_service:", "listen.port"),
        ("key_service:", "listen: {port: 12:30}\nkey_service:", "listen.port"),
        ("key_service:", "limits: {body_bytes: 0}\nkey_service:", "limits.body_bytes"),
        ("key_service:", "limits: {body_bytes: on}\nkey_service:", "limits.body_bytes"),
        ("key_service:", "engine: {timeout_ms: -1}\nkey_service:", "engine.timeout_ms"),
        ("key_service:", "unknown: 1\nkey_service:", "unknown"),
        ("key_service:", "trust_domain: other.org\nkey_service:", "trust_domain"),
        ("key_service:", "[key_service:", "gateway.yaml:6:1"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, old: str, new: str, place: str) -> None:
    path = write(tmp_path, WHOLE.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_configuration(path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "just text", "null"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="top level"):
        load_configuration(write(tmp_path, text))


def test_a_secret_in_a_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE.replace("trust_domain: example.org", "trust_domain: [hunter2]"))
    with pytest.raises(ConfigError) as caught:
        load_configuration(path)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_configuration(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_configuration(tmp_path / "latin.yaml")
