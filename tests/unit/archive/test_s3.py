"""Addresses and settings of S3, without a server."""

import sys
from pathlib import Path

import pytest

from gateway.archive.errors import ArchiveError
from gateway.archive.s3 import S3Settings, open_s3_archive, open_s3_store, parse_address
from gateway.configuration import load_configuration
from gateway.errors import ConfigError
from gateway.transparency.errors import SourceError


def test_an_address_says_bucket_prefix_and_how_to_reach_them() -> None:
    assert parse_address("s3://bucket") == S3Settings("bucket")
    assert parse_address("s3://bucket/a/b/") == S3Settings("bucket", "a/b")
    options = "region=eu-west-1&endpoint=http://127.0.0.1:9&profile=auditor"
    assert parse_address(f"s3://bucket/a?{options}") == S3Settings(
        "bucket", "a", "eu-west-1", "http://127.0.0.1:9", "auditor"
    )


@pytest.mark.parametrize(
    "address",
    [
        "http://bucket",
        "s3://",
        "s3:///a",
        "s3://key:secret@bucket/a",
        "s3://bucket/a?endpoint=http://key:secret@host",
        "s3://bucket/a?aws_secret_access_key=secret",
        "s3://bucket/a?region",
    ],
)
def test_other_addresses_are_refused_without_what_they_carry(address: str) -> None:
    with pytest.raises(SourceError, match="an address of S3") as caught:
        open_s3_archive(address)
    assert "secret" not in str(caught.value)


def test_without_boto3_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match=r"compliance-gateway\[s3\]"):
        open_s3_store(S3Settings("bucket"))


def test_a_profile_that_is_not_there_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with pytest.raises(ConfigError, match="boto3 cannot use its settings: ProfileNotFound"):
        open_s3_store(S3Settings("bucket", profile="nobody"))


def test_without_credentials_it_is_said_where_boto3_looks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = open_s3_store(S3Settings("bucket", "a", "eu-west-1", "http://127.0.0.1:9"))
    told = (
        r"boto3's chain \(environment, the profile named or the default one, the machine's role\)"
    )
    with pytest.raises(ArchiveError, match=told):
        store.location()


@pytest.mark.parametrize(
    "setting",
    ["secret_access_key: geheim", 'endpoint: "http://key:geheim@host"', "prefix: ../geheim/"],
)
def test_credentials_are_no_setting(tmp_path: Path, setting: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "trust_domain: example.org\n"
        "tls: {certificate: a, key: b, ca: c}\n"
        "log: {origin: a, database: b, checkpoint_key: c}\n"
        "policies: {bundle: a, bundle_keys: [b]}\n"
        "key_service: {age_identity: a}\n"
        f"archive: {{s3: {{bucket: audit, region: eu-west-1, {setting}}}}}\n"
    )
    with pytest.raises(ConfigError, match=r"at archive\.s3") as caught:
        load_configuration(path)
    assert "geheim" not in str(caught.value)


def test_an_archive_is_in_one_place(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "trust_domain: example.org\n"
        "tls: {certificate: a, key: b, ca: c}\n"
        "log: {origin: a, database: b, checkpoint_key: c}\n"
        "policies: {bundle: a, bundle_keys: [b]}\n"
        "key_service: {age_identity: a}\n"
        "archive: {region: eu-west-1}\n"
    )
    with pytest.raises(ConfigError, match="an archive is either a folder or s3"):
        load_configuration(path)
