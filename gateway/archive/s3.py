"""Objects in S3 with Object Lock in COMPLIANCE mode, over boto3, which is imported when a store is
opened (the extra `s3`). Credentials come from boto3's own chain or a named profile."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gateway.archive.errors import ArchiveError, LockError
from gateway.archive.port import Retention, Version
from gateway.archive.reading import StoreReader
from gateway.clock import Clock, SystemClock
from gateway.errors import ConfigError
from gateway.transparency.archive_reader import MAX_OBJECT_BYTES, ArchiveReader
from gateway.transparency.errors import SourceError

_COMPLIANCE = "COMPLIANCE"
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_NO_DATE = ("NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError")
_CHUNK_BYTES = 1 << 20
_READ_ATTEMPTS = 3
_ADDRESS_OPTIONS = {"region", "endpoint", "profile"}


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where a bucket is. Empty texts: as boto3 finds them (environment, its files)."""

    bucket: str
    prefix: str = ""
    region: str = ""
    endpoint: str = ""
    profile: str = ""


class S3Store:
    """An `ObjectStore` below a prefix of one bucket."""

    keeps_dates = True

    def __init__(self, client: Any, bucket: str, prefix: str, clock: Clock) -> None:
        """`client` is boto3's S3 client."""
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._clock = clock

    @property
    def place(self) -> str:
        """Its address."""
        return f"s3://{self._bucket}/{self._prefix}"

    def below(self, folder: str) -> "S3Store":
        """The store of what stands under a folder of it."""
        return S3Store(self._client, self._bucket, self._prefix + folder, self._clock)

    def location(self) -> str:
        """The region where the bucket really lies, as S3 says."""
        with self._asking("asking where it lies"):
            answer = self._client.get_bucket_location(Bucket=self._bucket)
        found = answer.get("LocationConstraint")
        # S3 spells its first region as nothing and the first one in Europe as EU.
        return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(found, str(found))

    def verify_lock(self) -> None:
        """Raises LockError unless the bucket keeps versions and locks them."""
        with self._asking("asking for its Object Lock"):
            answer = self._client.get_object_lock_configuration(Bucket=self._bucket)
            is_on = answer["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"
        if not is_on:
            raise LockError(f"{self.place}: the bucket has no Object Lock; make one that has")

    def put_once(self, name: str, content: bytes, until_us: int) -> bool:
        """As ObjectStore. Who comes second is told by the condition on the write, a retried write
        that had arrived, too."""
        if any(not version.is_marker for version in self._versions_of(name)):
            return False
        try:
            self._put(name, content, until_us, IfNoneMatch="*")
        except _TakenError:
            return False
        return True

    def put_version(self, name: str, content: bytes, until_us: int) -> None:
        """As ObjectStore."""
        self._put(name, content, until_us)

    def get(self, name: str, version_id: str = "") -> bytes:
        """As ObjectStore. A connection that breaks in the middle of the bytes is tried again, which
        boto3 does for the request alone."""
        for attempt in range(_READ_ATTEMPTS):
            try:
                with self._asking(f"reading {name}"):
                    return self._get(name, version_id)
            except _BrokenOffError:
                if attempt == _READ_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def versions(self, prefix: str = "", start: str = "") -> Iterator[Version]:
        """As ObjectStore."""
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket,
            Prefix=self._prefix + prefix,
            # Names after the marker are listed; the character before `start`'s last is enough.
            **({"KeyMarker": self._prefix + _just_before(start)} if start else {}),
        )
        iterator = iter(pages)
        while True:
            with self._asking("listing it"):
                page = next(iterator, None)
            if page is None:
                return
            found = [self._version(item, is_marker=False) for item in page.get("Versions", ())]
            found += [self._version(item, is_marker=True) for item in page.get("DeleteMarkers", ())]
            yield from (version for version in found if version.name >= start)

    def retention(self, name: str, version_id: str = "") -> Retention | None:
        """As ObjectStore."""
        try:
            with self._asking(f"asking for the retention of {name}"):
                answer = self._client.get_object_retention(**self._key(name, version_id))
        except LockError:
            return None
        kept = answer["Retention"]
        if kept.get("RetainUntilDate") is None:
            return None
        return Retention(_to_us(kept["RetainUntilDate"]), kept.get("Mode") == _COMPLIANCE)

    def is_locked(self, name: str, version_id: str = "") -> bool:
        """As ObjectStore."""
        kept = self.retention(name, version_id)
        return kept is not None and kept.is_compliance and kept.until_us > self._clock.now_us()

    def extend(self, name: str, version_id: str, until_us: int) -> None:
        """As ObjectStore."""
        kept = {"Mode": _COMPLIANCE, "RetainUntilDate": _to_date(until_us)}
        with self._asking(f"moving the retention date of {name}"):
            self._client.put_object_retention(**self._key(name, version_id), Retention=kept)

    def _put(self, name: str, content: bytes, until_us: int, **condition: str) -> None:
        with self._asking(f"writing {name}"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + name,
                Body=content,
                ContentMD5=_base64(hashlib.md5(content, usedforsecurity=False).digest()),
                ChecksumSHA256=_base64(hashlib.sha256(content).digest()),
                ObjectLockMode=_COMPLIANCE,
                ObjectLockRetainUntilDate=_to_date(until_us),
                **condition,
            )

    def _get(self, name: str, version_id: str) -> bytes:
        answer = self._client.get_object(**self._key(name, version_id), ChecksumMode="ENABLED")
        if answer["ContentLength"] > MAX_OBJECT_BYTES:
            raise ArchiveError(f"{self.place}{name} is larger than any object of an archive")
        try:
            return b"".join(answer["Body"].iter_chunks(_CHUNK_BYTES))
        except Exception as error:
            if type(error).__module__.startswith(("botocore", "urllib3")):
                raise _BrokenOffError(
                    f"{self.place}{name}: the connection broke off ({type(error).__name__})"
                ) from None
            raise
        finally:
            answer["Body"].close()

    def _versions_of(self, name: str) -> Iterator[Version]:
        return (version for version in self.versions(name) if version.name == name)

    def _version(self, item: dict[str, Any], *, is_marker: bool) -> Version:
        return Version(
            name=item["Key"].removeprefix(self._prefix),
            id=item.get("VersionId") or "null",
            written_us=_to_us(item["LastModified"]),
            size=item.get("Size") or 0,
            tag=item.get("ETag") or "",
            is_marker=is_marker,
        )

    def _key(self, name: str, version_id: str) -> dict[str, str]:
        key = {"Bucket": self._bucket, "Key": self._prefix + name}
        return {**key, "VersionId": version_id} if version_id else key

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Boto3's errors as ours: their code alone, since their text may repeat what was sent."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            HTTPClientError,
            NoCredentialsError,
            PartialCredentialsError,
        )

        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            if code in _TAKEN:
                raise _TakenError(f"{self.place}: {what}: {code}") from None
            if code in _NO_DATE:
                raise LockError(
                    f"{self.place}: {what}: there is no Object Lock ({code}); make a bucket that "
                    "has it"
                ) from None
            raise ArchiveError(f"{self.place}: {what} was refused: {code}") from None
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise ArchiveError(
                f"{self.place}: {what} failed: {type(error).__name__}: boto3's chain (environment, "
                "the profile named or the default one, the machine's role) has no whole "
                "credentials; give them there, never in gateway.yaml"
            ) from None
        except (BotoCoreError, HTTPClientError) as error:
            raise ArchiveError(
                f"{self.place}: {what} failed: {type(error).__name__}; see docs/operations.md, "
                "Archive"
            ) from None


class _TakenError(ArchiveError):
    """An object of that name was there first."""


class _BrokenOffError(ArchiveError):
    """The bytes ended before they should."""


def open_s3_store(settings: S3Settings, clock: Clock | None = None) -> S3Store:
    """The store that settings name; asks nothing yet. Raises ConfigError without boto3, or for a
    profile that is not there."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError:
        raise ConfigError(
            "an archive in S3 needs boto3: pip install 'compliance-gateway[s3]'"
        ) from None
    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=5,
        read_timeout=30,
        # Another server than Amazon's has no names for its buckets.
        s3={"addressing_style": "path"} if settings.endpoint else None,
    )
    try:
        session = boto3.session.Session(
            profile_name=settings.profile or None, region_name=settings.region or None
        )
        client = session.client("s3", endpoint_url=settings.endpoint or None, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(
            f"s3://{settings.bucket}: boto3 cannot use its settings: {type(error).__name__}"
        ) from None
    return S3Store(client, settings.bucket, settings.prefix, clock or SystemClock())


def parse_address(address: str) -> S3Settings:
    """`s3://bucket/prefix?region=…&endpoint=…&profile=…`; raises SourceError."""
    try:
        parts = urlsplit(address)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise SourceError("an address of S3 looks like s3://bucket/prefix") from None
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.fragment:
        raise SourceError("an address of S3 looks like s3://bucket/prefix, without credentials")
    if not options.keys() <= _ADDRESS_OPTIONS or "@" in options.get("endpoint", ""):
        known = ", ".join(sorted(_ADDRESS_OPTIONS))
        raise SourceError(f"an address of S3 may say {known}; credentials come from boto3's chain")
    return S3Settings(parts.netloc, parts.path.strip("/"), **options)


def open_s3_archive(address: str) -> ArchiveReader:
    """The objects behind an `s3://` address, for `ArchiveSource`; raises SourceError."""
    settings = parse_address(address)
    try:
        store = open_s3_store(settings)
        reopen: Callable[[], ArchiveReader] = partial(open_s3_archive, address)
        return StoreReader(store, reopen)
    except (ArchiveError, ConfigError) as error:
        raise SourceError(str(error)) from None


def _just_before(name: str) -> str:
    """A name before `name`, and after most that are before it."""
    return name[:-1] + chr(ord(name[-1]) - 1)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _to_date(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC)


def _to_us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
