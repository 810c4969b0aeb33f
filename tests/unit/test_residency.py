"""Where copies of a log may be: refused before anything starts."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.archive.errors import LockError
from gateway.archive.s3 import S3Settings
from gateway.configuration import (
    ArchiveConfig,
    BackupConfig,
    GatewayConfig,
    LogConfig,
    ReplicaConfig,
    S3Config,
)
from gateway.errors import ConfigError
from gateway.residency import verify_residency

HOME, ALLOWED = "eu-west-1", ("eu-west-1", "eu-central-1")


def config(region: str = HOME, allowed: tuple[str, ...] = ALLOWED, **parts: Any) -> GatewayConfig:
    log = LogConfig(
        "example.org/log", "sqlite:///x", Path("x"), region=region, allowed_regions=allowed
    )
    unread: Any = msgspec.UNSET
    return GatewayConfig("example.org", unread, log, unread, unread, **parts)


def folder(region: str) -> ArchiveConfig:
    return ArchiveConfig(folder=Path("a"), region=region)


def s3(region: str, said: str = "") -> ArchiveConfig:
    return ArchiveConfig(s3=S3Config("bucket", region), region=said)


class Bucket:
    def __init__(self, location: str = HOME, *, is_locking: bool = True) -> None:
        self._location, self._is_locking = location, is_locking

    def __call__(self, settings: S3Settings) -> Any:
        assert settings.bucket == "bucket"
        return self

    def location(self) -> str:
        return self._location

    def verify_lock(self) -> None:
        if not self._is_locking:
            raise LockError("s3://bucket/: the bucket has no Object Lock")


def test_copies_in_allowed_regions_start() -> None:
    verify_residency(
        config(
            archive=folder("eu-central-1"),
            replicas=(ReplicaConfig("standby", "eu-west-1"),),
            backup=BackupConfig(Path("b"), "eu-central-1"),
        )
    )
    verify_residency(config(archive=s3(HOME, HOME)), Bucket())


def test_a_log_without_a_region_binds_nothing() -> None:
    verify_residency(config("", (), archive=folder(""), backup=BackupConfig(Path("b"))))


def test_without_a_list_copies_stay_where_the_log_is() -> None:
    verify_residency(config(allowed=(), archive=folder(HOME)))
    with pytest.raises(ConfigError, match="eu-central-1"):
        verify_residency(config(allowed=(), archive=folder("eu-central-1")))


@pytest.mark.parametrize(
    ("parts", "setting"),
    [
        ({"archive": folder("us-east-1")}, r"archive\.region"),
        ({"archive": s3("us-east-1")}, r"archive\.region"),
        (
            {"replicas": (ReplicaConfig("a", HOME), ReplicaConfig("b", "us-east-1"))},
            r"replicas\[1\]\.region \(of b\)",
        ),
        ({"backup": BackupConfig(Path("b"), "us-east-1")}, r"backup\.region"),
    ],
)
def test_a_copy_elsewhere_is_refused_with_both_regions(parts: Any, setting: str) -> None:
    said = rf"^{setting} is us-east-1: the log lives in eu-west-1 .* eu-west-1, eu-central-1 alone$"
    with pytest.raises(ConfigError, match=said):
        verify_residency(config(**parts), Bucket("us-east-1"))


@pytest.mark.parametrize(
    ("parts", "setting"),
    [
        ({"archive": folder("")}, r"archive\.region"),
        ({"backup": BackupConfig(Path("b"))}, r"backup\.region"),
    ],
)
def test_a_copy_that_does_not_say_where_it_is_is_refused(parts: Any, setting: str) -> None:
    with pytest.raises(ConfigError, match=f"^{setting} is missing: the log lives in eu-west-1"):
        verify_residency(config(**parts))


def test_a_log_outside_its_own_list_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"log\.region is us-east-1, which .* lacks"):
        verify_residency(config("us-east-1"))
    with pytest.raises(ConfigError, match=r"log\.region is missing"):
        verify_residency(config(""))


def test_the_bucket_is_asked_where_it_lies() -> None:
    with pytest.raises(ConfigError, match=r"archive\.s3\.region is eu-west-1, .* in us-east-1"):
        verify_residency(config(archive=s3(HOME)), Bucket("us-east-1"))
    with pytest.raises(ConfigError, match=r"archive\.region is eu-central-1 and .* eu-west-1"):
        verify_residency(config(archive=s3(HOME, "eu-central-1")), Bucket())
    with pytest.raises(ConfigError, match=r"archive\.s3: .* no Object Lock"):
        verify_residency(config(archive=s3(HOME)), Bucket(is_locking=False))
