"""The archive on a real S3 server with Object Lock in COMPLIANCE mode."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from gateway.archive.archiver import Archiver
from gateway.archive.checking import check_archive
from gateway.archive.errors import ArchiveError
from gateway.archive.reading import StoreReader
from gateway.archive.s3 import S3Settings, S3Store, open_s3_archive, open_s3_store
from gateway.archive.writing import ArchiveTerms
from gateway.clock import SystemClock
from gateway.configuration import ArchiveConfig, GatewayConfig, LogConfig, S3Config
from gateway.errors import ConfigError
from gateway.residency import verify_residency
from gateway.transparency.archive_source import ArchiveSource
from gateway.transparency.segments import SegmentPlace, checkpoint_name, log_folder
from gateway.transparency.verdict import Word
from gateway.transparency.verify import verify_log
from tests.fakes.sealed_log import START_US, GrowingLog
from tests.interop.s3_server import (
    ACCESS_KEY,
    REGION,
    SECRET_KEY,
    BreakingNetwork,
    make_bucket,
    open_client,
    s3_server,
)

# The entries are of January 2026, so that locks hold for years from any day of the tests.
YEARS = 40
TERMS = ArchiveTerms(REGION, YEARS, segment_entries=10)
CLOCK = SystemClock()
FOLDER = log_folder("example.org/log")
PREFIX = f"audit/{FOLDER}/"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def client(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_CONFIG_FILE", "/nonexistent"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    return open_client(endpoint)


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"bucket-{uuid4().hex}"
    make_bucket(client, name)
    return name


def settings(endpoint: str, bucket: str) -> S3Settings:
    return S3Settings(bucket, "audit", REGION, endpoint)


def open_store(endpoint: str, bucket: str) -> S3Store:
    return open_s3_store(settings(endpoint, bucket)).below(FOLDER)


def sealed_log(*sizes: int) -> GrowingLog:
    log = GrowingLog()
    for size in sizes:
        log.grow(size - len(log.data)).seal()
    return log


def address(endpoint: str, bucket: str) -> str:
    return f"s3://{bucket}/audit?region={REGION}&endpoint={endpoint}"


def verify(log: GrowingLog, endpoint: str, bucket: str) -> tuple[Word, ArchiveSource]:
    source = ArchiveSource(open_s3_archive(address(endpoint, bucket)))
    anchor = log.checkpoint(log.newest_size())
    return verify_log(source, source.origin, log.signer.verifier, [anchor]).word, source


def refused(code: str) -> Any:
    from botocore.exceptions import ClientError

    return pytest.raises(ClientError, match=code)


def test_a_log_is_verified_from_the_bucket_alone(endpoint: str, client: Any, bucket: str) -> None:
    log = sealed_log(4, 9, 23)
    status = Archiver(log, open_store(endpoint, bucket), TERMS, CLOCK).run_once()
    assert (status.archived, status.problems) == (23, ())
    word, source = verify(log, endpoint, bucket)
    assert word is Word.OK
    assert source.findings() == []
    assert [row[1] for batch in source.entries() for row in batch] == log.data
    assert Archiver(log, open_store(endpoint, bucket), TERMS, CLOCK).run_once().written == ()
    reopen = source.opener()
    assert reopen is not None
    assert sum(len(batch) for batch in reopen().entries()) == 23


def test_each_object_is_kept_until_the_date_that_was_asked(
    endpoint: str, client: Any, bucket: str
) -> None:
    log = sealed_log(9)
    store = open_store(endpoint, bucket)
    Archiver(log, store, TERMS, CLOCK).run_once()
    asked = datetime.fromtimestamp(START_US / 1e6, UTC).replace(
        year=2026 + YEARS, day=3, hour=0, minute=0, second=0, microsecond=0
    )
    for name in (SegmentPlace(0, 8).name, checkpoint_name(9)):
        kept = client.get_object_retention(Bucket=bucket, Key=PREFIX + name)["Retention"]
        assert kept["Mode"] == "COMPLIANCE"
        assert kept["RetainUntilDate"] == asked
        assert store.is_locked(name)
    checked = check_archive(store, log.keys(), YEARS)
    assert (checked.objects, checked.problems) == (3, ())
    later = check_archive(store, log.keys(), YEARS + 1)
    assert all("it must be until 2067-01-03" in text for text in later.problems)
    assert len(later.problems) == 3


def test_nobody_deletes_a_version_or_shortens_its_date(
    endpoint: str, client: Any, bucket: str
) -> None:
    log = sealed_log(9)
    Archiver(log, open_store(endpoint, bucket), TERMS, CLOCK).run_once()
    key = PREFIX + SegmentPlace(0, 8).name
    version = client.list_object_versions(Bucket=bucket, Prefix=key)["Versions"][0]["VersionId"]
    one = {"Bucket": bucket, "Key": key, "VersionId": version}
    soon = {"Mode": "COMPLIANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(days=1)}
    weaker = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(days=9999)}
    with refused("AccessDenied"):
        client.delete_object(**one)
    with refused("AccessDenied"):
        client.delete_object(**one, BypassGovernanceRetention=True)
    for kept in (soon, weaker):
        with refused("AccessDenied"):
            client.put_object_retention(**one, Retention=kept, BypassGovernanceRetention=True)
    store = open_store(endpoint, bucket)
    with pytest.raises(ArchiveError, match="AccessDenied"):
        store.extend(SegmentPlace(0, 8).name, version, 1_900_000_000_000_000)
    assert verify(log, endpoint, bucket)[0] is Word.OK


def test_a_delete_marker_is_no_deletion_and_is_named(
    endpoint: str, client: Any, bucket: str
) -> None:
    log = sealed_log(9)
    Archiver(log, open_store(endpoint, bucket), TERMS, CLOCK).run_once()
    for name in (SegmentPlace(0, 8).name, "log.json", checkpoint_name(9)):
        client.delete_object(Bucket=bucket, Key=PREFIX + name)
        with refused("NoSuchKey"):
            client.get_object(Bucket=bucket, Key=PREFIX + name)
    word, source = verify(log, endpoint, bucket)
    assert word is Word.OK
    assert len([text for text in source.findings() if "a delete marker of 20" in text]) == 3
    status = Archiver(log, open_store(endpoint, bucket), TERMS, CLOCK).run_once()
    assert status.written == ()
    assert SegmentPlace(0, 8).name in status.problems[0]


def test_what_is_written_over_a_segment_does_not_count(
    endpoint: str, client: Any, bucket: str
) -> None:
    log = sealed_log(9)
    Archiver(log, open_store(endpoint, bucket), TERMS, CLOCK).run_once()
    far = datetime.now(UTC) + timedelta(days=999)
    for name in (SegmentPlace(0, 8).name, checkpoint_name(9)):
        client.put_object(Bucket=bucket, Key=PREFIX + name, Body=b"another history")
        client.put_object(
            Bucket=bucket,
            Key=PREFIX + name,
            Body=b"another history, locked",
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=far,
        )
    word, source = verify(log, endpoint, bucket)
    assert word is Word.OK
    assert len([text for text in source.findings() if "another version" in text]) == 4
    assert open_store(endpoint, bucket).put_once(SegmentPlace(0, 8).name, b"x", START_US) is False


def test_an_unlocked_object_in_the_way_does_not_count(
    endpoint: str, client: Any, bucket: str
) -> None:
    log = sealed_log(9)
    client.put_object(Bucket=bucket, Key=PREFIX + SegmentPlace(0, 8).name, Body=b"first")
    assert Archiver(log, open_store(endpoint, bucket), TERMS, CLOCK).run_once().archived == 9
    assert verify(log, endpoint, bucket)[0] is Word.OK


def test_who_comes_second_does_not_write(endpoint: str, client: Any, bucket: str) -> None:
    store = open_store(endpoint, bucket)
    until_us = START_US + YEARS * 365 * 86_400_000_000
    assert store.put_once("segments/x", b"one", until_us)

    def nothing_there(*_: str) -> Iterator[Any]:
        return iter(())

    blind = open_store(endpoint, bucket)
    blind.versions = nothing_there  # type: ignore[method-assign, assignment]
    assert not blind.put_once("segments/x", b"two", until_us)
    versions = client.list_object_versions(Bucket=bucket, Prefix=PREFIX)["Versions"]
    assert len(versions) == 1
    assert store.get("segments/x") == b"one"


@pytest.mark.parametrize("after", [10, 2_000, 200_000])
@pytest.mark.parametrize("is_request", [True, False])
def test_a_network_that_breaks_leaves_nothing_half(
    endpoint: str, client: Any, bucket: str, after: int, is_request: bool
) -> None:
    log = sealed_log(4)
    log.grow(500, "test.long", {"text": "x" * 2_000}).seal()
    network = BreakingNetwork(endpoint)
    network.cuts, network.after, network.is_request = 2, after, is_request
    try:
        assert (
            Archiver(log, open_store(network.endpoint, bucket), TERMS, CLOCK).run_once().archived
            == 504
        )
        assert network.cuts == 0
        network.cuts = 2
        word, source = verify(log, network.endpoint, bucket)
    finally:
        network.close()
    assert word is Word.OK
    assert source.findings() == []
    found = client.list_object_versions(Bucket=bucket, Prefix=PREFIX)["Versions"]
    assert len({item["Key"] for item in found}) == len(found) == 5


def test_a_network_that_is_gone_is_one_sentence(endpoint: str, client: Any, bucket: str) -> None:
    network = BreakingNetwork(endpoint)
    network.cuts = 9_999
    try:
        with pytest.raises(ArchiveError, match=r"s3://.* failed: \w+Error; see docs") as caught:
            Archiver(sealed_log(4), open_store(network.endpoint, bucket), TERMS, CLOCK).run_once()
    finally:
        network.close()
    assert SECRET_KEY not in str(caught.value)
    assert ACCESS_KEY not in str(caught.value)


def test_wrong_credentials_are_one_sentence_without_them(
    endpoint: str, client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    with pytest.raises(ArchiveError, match=r"was refused: \w+$") as caught:
        Archiver(sealed_log(4), open_store(endpoint, bucket), TERMS, CLOCK).run_once()
    assert "AKIAWRONG" not in str(caught.value)
    assert "wrong-secret" not in str(caught.value)


def test_the_start_asks_where_the_bucket_lies_and_whether_it_locks(
    endpoint: str, client: Any, bucket: str
) -> None:
    verify_residency(configured(endpoint, bucket, REGION))
    with pytest.raises(ConfigError, match=f"region is eu-central-1, but bucket .* in {REGION}"):
        verify_residency(configured(endpoint, bucket, "eu-central-1"))
    make_bucket(client, f"{bucket}-plain", is_locking=False)
    with pytest.raises(ConfigError, match="no Object Lock"):
        verify_residency(configured(endpoint, f"{bucket}-plain", REGION))


def configured(endpoint: str, bucket: str, region: str) -> GatewayConfig:
    """A configuration of which residency reads the parts below alone."""
    log = LogConfig(
        "example.org/log", "sqlite:///x", Path("x"), region=region, allowed_regions=(region,)
    )
    archive = ArchiveConfig(s3=S3Config(bucket, region, "audit", endpoint))
    empty: Any = msgspec.UNSET
    return GatewayConfig("example.org", empty, log, empty, empty, archive=archive)


def test_check_finds_what_is_not_locked(endpoint: str, client: Any, bucket: str) -> None:
    log = sealed_log(9)
    store = open_store(endpoint, bucket)
    Archiver(log, store, TERMS, CLOCK).run_once()
    client.put_object(Bucket=bucket, Key=f"{PREFIX}segments/stray", Body=b"x")
    problems = check_archive(store, log.keys(), YEARS).problems
    assert problems == ("segments/stray is not locked in COMPLIANCE mode",)


def test_segments_are_listed_over_many_pages(endpoint: str, client: Any, bucket: str) -> None:
    store = open_store(endpoint, bucket)
    for at in range(12):
        client.put_object(Bucket=bucket, Key=f"{PREFIX}segments/{at:02d}", Body=b"x")
    paginate = store._client.get_paginator("list_object_versions").paginate

    class Small:
        def paginate(self, **options: Any) -> Any:
            return paginate(**options, PaginationConfig={"PageSize": 5})

    store._client.get_paginator = lambda _name: Small()
    names = StoreReader(store).names()
    assert sorted(names) == [f"segments/{at:02d}" for at in range(12)]
    later = {version.name for version in store.versions("segments/", "segments/07")}
    assert sorted(later) == [f"segments/{at:02d}" for at in range(7, 12)]
