"""Where a log and every copy of it may be: held against the configuration before a port opens."""

from collections.abc import Callable, Iterator

from gateway.archive.errors import ArchiveError
from gateway.archive.s3 import S3Settings, S3Store, open_s3_store
from gateway.configuration import ArchiveConfig, GatewayConfig, S3Config
from gateway.errors import ConfigError

OpenStore = Callable[[S3Settings], S3Store]


def verify_residency(config: GatewayConfig, open_store: OpenStore = open_s3_store) -> None:
    """Raises ConfigError, naming the setting and the regions, unless the archive, each replica and
    the backup folder are where `log.region` and `log.allowed_regions` let them be. S3 is asked
    where the bucket lies and whether it locks, so nothing is written to a wrong one."""
    own, allowed = config.log.region, config.log.allowed_regions
    if allowed and not own:
        raise ConfigError("log.region is missing: log.allowed_regions says where copies may be")
    if allowed and own not in allowed:
        raise ConfigError(
            f"log.region is {own}, which log.allowed_regions ({_list(allowed)}) lacks"
        )
    for setting, region in _copies(config):
        verify_copy(config, setting, region)
    if config.archive is not None and config.archive.s3 is not None:
        _verify_bucket(config.archive, config.archive.s3, open_store)


def verify_copy(config: GatewayConfig, setting: str, region: str) -> None:
    """Raises ConfigError, naming `setting` (where the region was said), unless a copy of the log
    may be in `region`."""
    own = config.log.region
    if own:
        _verify(setting, region, config.log.allowed_regions or (own,), own)


def s3_settings(s3: S3Config) -> S3Settings:
    """As the archive's store takes them."""
    return S3Settings(s3.bucket, s3.prefix, s3.region, s3.endpoint, s3.profile)


def archive_region(archive: ArchiveConfig) -> str:
    """The region that an archive is said to be in."""
    return archive.region or (archive.s3.region if archive.s3 else "")


def _copies(config: GatewayConfig) -> Iterator[tuple[str, str]]:
    if config.archive is not None:
        yield "archive.region", archive_region(config.archive)
        if config.archive.s3 is not None:
            yield "archive.s3.region", config.archive.s3.region
    for at, replica in enumerate(config.replicas):
        yield f"replicas[{at}].region (of {replica.name})", replica.region
    if config.backup is not None:
        yield "backup.region", config.backup.region


def _verify(setting: str, region: str, allowed: tuple[str, ...], own: str) -> None:
    if not region:
        raise ConfigError(
            f"{setting} is missing: the log lives in {own}, so its copies must say where they are "
            f"({_list(allowed)})"
        )
    if region not in allowed:
        raise ConfigError(
            f"{setting} is {region}: the log lives in {own} and copies of it may be in "
            f"{_list(allowed)} alone"
        )


def _verify_bucket(archive: ArchiveConfig, s3: S3Config, open_store: OpenStore) -> None:
    if archive.region and archive.region != s3.region:
        raise ConfigError(
            f"archive.region is {archive.region} and archive.s3.region {s3.region}: a bucket is in "
            "one region"
        )
    try:
        store = open_store(s3_settings(s3))
        found = store.location()
        if found != s3.region:
            raise ConfigError(
                f"archive.s3.region is {s3.region}, but bucket {s3.bucket} lies in {found}"
            )
        store.verify_lock()
    except ArchiveError as error:
        raise ConfigError(f"archive.s3: {error}") from None


def _list(regions: tuple[str, ...]) -> str:
    return ", ".join(regions)
