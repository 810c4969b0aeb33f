"""Composition of the archive: which store the configuration names, and the archiver beside a
running gateway."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.archive.archiver import Archiver, ArchiveStatus
from gateway.archive.errors import ArchiveError
from gateway.archive.folder import FolderStore
from gateway.archive.port import ObjectStore
from gateway.archive.s3 import open_s3_store
from gateway.archive.writing import ArchiveTerms
from gateway.clock import Clock
from gateway.configuration import ArchiveConfig, GatewayConfig
from gateway.errors import ConfigError, GatewayError
from gateway.residency import archive_region, s3_settings
from gateway.storage.archive_store import SqlSealedLog
from gateway.storage.engine import Engine
from gateway.transparency.segments import log_folder

_MOST_UNHELD = 64


class Archiving:
    """The archiver of a running gateway. Nothing of it stops verdicts: what fails shows here, in
    metrics and in the detail of /readyz, and is tried again. `has_looked` is set after the first
    time."""

    def __init__(self, archiver: Archiver, interval_seconds: float, clock: Clock) -> None:
        self._archiver = archiver
        self._interval_seconds = interval_seconds
        self._clock = clock
        self.status: ArchiveStatus | None = None
        self.failure: str | None = None
        self.succeeded_us: int | None = None
        self.has_looked = asyncio.Event()
        self._unheld: dict[
            tuple[int, int], tuple[int, str]
        ] = {}  # when it was read, what was wrong

    @property
    def problem(self) -> str | None:
        """One sentence when the archive is not as it should be, else None."""
        if self.failure is not None:
            return self.failure
        return self.status.problems[0] if self.status and self.status.problems else None

    def held(self) -> int:
        """How many entries, from the first on, this process has seen in the archive: what a purge
        may take out of the database is below that."""
        return self.status.unbroken if self.status and not self.status.is_ahead else 0

    def verify_held(self, first: int, last: int) -> None:
        """Read the archive's entries `first` to `last`, which a purge is about to take out of the
        database. Blocks. Raises ArchiveError and StorageError; a purge that cannot be done is tried
        again and again, so that what was wrong is said for an interval without another look."""
        failed = self._unheld.get((first, last))
        now_ns = self._clock.boottime_ns()
        if failed is not None and now_ns - failed[0] < self._interval_seconds * 1e9:
            raise ArchiveError(failed[1])
        try:
            self._archiver.verify_held(first, last)
        except ArchiveError as error:
            if len(self._unheld) >= _MOST_UNHELD:
                self._unheld.clear()
            self._unheld[first, last] = (now_ns, str(error))
            raise

    async def run(self) -> None:
        """Write what is missing, again and again, until cancelled."""
        while True:
            await self.run_once()
            await asyncio.sleep(self._interval_seconds)

    def note_end(self, task: "asyncio.Task[None]") -> None:
        """A task that ends by an error of ours is a problem, too."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = f"the archiver stopped: {type(error).__name__}; restart the gateway"
            structlog.get_logger().error("archive", problem=self.failure, exc_info=error)

    async def run_once(self) -> None:
        """Write what is missing, once."""
        before = self.problem
        try:
            self.status = await asyncio.to_thread(self._archiver.run_once)
            self.failure, self.succeeded_us = None, self._clock.now_us()
        except GatewayError as error:
            self.failure = str(error)
        self.has_looked.set()
        if self.problem is not None and self.problem != before:
            structlog.get_logger().warning("archive", problem=self.problem)


class ArchivingCollector(Collector):
    """For `Metrics.registry`."""

    def __init__(self, archiving: Archiving) -> None:
        self._archiving = archiving

    def collect(self) -> Iterable[Metric]:
        """`gateway_archive_*`."""
        archiving, status = self._archiving, self._archiving.status
        yield GaugeMetricFamily(
            "gateway_archive_problem",
            "1 while the archive cannot be written or is not as it should be; the log says why",
            value=float(archiving.problem is not None),
        )
        if status is not None:
            yield GaugeMetricFamily(
                "gateway_archive_entries", "Entries in the archive", value=status.archived
            )
            yield GaugeMetricFamily(
                "gateway_archive_behind_entries",
                "Signed entries that were not in the archive when it was last looked at",
                value=max(0, status.sealed - status.archived),
            )
        if archiving.succeeded_us is not None:
            yield GaugeMetricFamily(
                "gateway_archive_succeeded_seconds",
                "When it was last written without failure (Unix time)",
                value=archiving.succeeded_us / 1e6,
            )


def open_store(archive: ArchiveConfig, origin: str, clock: Clock) -> ObjectStore:
    """The one log's store in the archive; asks nothing yet. Raises ConfigError."""
    if archive.s3 is None:
        if archive.folder is None:
            raise ConfigError("archive: say a folder or s3")
        return FolderStore(archive.folder / log_folder(origin))
    return open_s3_store(s3_settings(archive.s3), clock).below(log_folder(origin))


def archive_terms(config: GatewayConfig, archive: ArchiveConfig) -> ArchiveTerms:
    """How segments are made and for how long they are kept."""
    years = config.retention.entries_years
    return ArchiveTerms(archive_region(archive), years, archive.segment_entries)


@asynccontextmanager
async def run_archiver(
    config: GatewayConfig, database: Engine, clock: Clock
) -> AsyncIterator[Archiving | None]:
    """The archiver, beside whatever is done inside; None without `archive` in the configuration. At
    the end no further segment is begun. Raises ConfigError."""
    archive = config.archive
    if archive is None:
        yield None
        return
    stopping = threading.Event()
    archiver = make_archiver(config, archive, database, clock, stopping.is_set)
    archiving = Archiving(archiver, archive.interval_seconds, clock)
    task = asyncio.create_task(archiving.run(), name="archiver")
    task.add_done_callback(archiving.note_end)
    try:
        yield archiving
    finally:
        stopping.set()
        task.cancel()
        await asyncio.wait([task])


def make_archiver(
    config: GatewayConfig,
    archive: ArchiveConfig,
    database: Engine,
    clock: Clock,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Archiver:
    """The archiver of the configured log; raises ConfigError."""
    log = SqlSealedLog(database, config.log.origin)
    store = open_store(archive, config.log.origin, clock)
    return Archiver(log, store, archive_terms(config, archive), clock, is_stopping)
