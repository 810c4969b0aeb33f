"""POST /status: what the user's OPA servers report of themselves (OPA: Status Service API).

A report is the server's own word: it is good for readiness pages and metrics, never for a verdict,
which counts by the provenance of each answer alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.bodies import BodyLimits, read_json_body
from gateway.api.gate import Caller
from gateway.clock import Clock
from gateway.errors import InputError

BODY_LIMITS = BodyLimits(max_bytes=1024 * 1024)
MAX_ENGINES = 1_024
SILENT_AFTER_SECONDS = 600
_MAX_TEXT = 256
_SECOND_US = 1_000_000

Text = Annotated[str, msgspec.Meta(max_length=65_536)]


class _BundleStatus(msgspec.Struct, frozen=True):
    active_revision: Text = ""
    code: Text = ""
    message: Text = ""
    errors: list[msgspec.Raw] | None = None


class _Status(msgspec.Struct, frozen=True):
    labels: dict[str, Text] | None = None
    bundles: dict[str, _BundleStatus] | None = None


_STATUSES = msgspec.json.Decoder(_Status)


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What one OPA said last of the bundle in force. `error` is empty when all is well;
    `opa_version` is empty where the labels do not tell."""

    revision: str
    error: str
    opa_version: str
    reported_us: int


class EngineReports:
    """The last report of each engine, by subject URI; of too many the oldest is forgotten."""

    def __init__(self, bundle: str, revision: Callable[[], str], clock: Clock) -> None:
        """`bundle` is the name that the bundle in force is served under; `revision` says which
        revision is the expected one now."""
        self._bundle = bundle
        self._revision = revision
        self._clock = clock
        self._reports: dict[str, EngineReport] = {}

    def take(self, subject_uri: str, body: bytes) -> None:
        """Remember a status report; raises InputError for another shape."""
        try:
            status = _STATUSES.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise InputError("the body is no status report of OPA's") from None
        found = (status.bundles or {}).get(self._bundle, _BundleStatus())
        self._reports.pop(subject_uri, None)
        if len(self._reports) >= MAX_ENGINES:
            del self._reports[next(iter(self._reports))]
        self._reports[subject_uri] = EngineReport(
            revision=found.active_revision[:_MAX_TEXT],
            error=_error(found),
            opa_version=(status.labels or {}).get("version", "")[:_MAX_TEXT],
            reported_us=self._clock.now_us(),
        )

    def reports(self) -> Mapping[str, EngineReport]:
        """By subject URI."""
        return dict(self._reports)

    def problems(self) -> dict[str, str]:
        """What is amiss, by subject URI: for a status page. It is no cause of not being ready:
        whether verdicts can be given is the engine port's to say."""
        told = {uri: self._problem(report) for uri, report in self._reports.items()}
        return {uri: problem for uri, problem in told.items() if problem}

    def _problem(self, report: EngineReport) -> str:
        if report.error:
            return report.error
        expected = self._revision()
        if report.revision != expected:
            return f"it serves revision {report.revision or 'none'}, not {expected}"
        silent_us = self._clock.now_us() - report.reported_us
        if silent_us > SILENT_AFTER_SECONDS * _SECOND_US:
            return f"it has not reported for {silent_us // _SECOND_US} s"
        return ""


class EngineReportsCollector(Collector):
    """The reports as metrics: register it with `Metrics.registry`."""

    def __init__(self, reports: EngineReports, revision: Callable[[], str]) -> None:
        self._reports = reports
        self._revision = revision

    def collect(self) -> Iterator[GaugeMetricFamily]:
        expected = self._revision()
        other = GaugeMetricFamily(
            "gateway_engine_wrong_revision",
            "1 when an OPA server last reported another revision than the one in force",
            labels=["engine"],
        )
        failing = GaugeMetricFamily(
            "gateway_engine_bundle_error",
            "1 when an OPA server last reported an error with the bundle",
            labels=["engine"],
        )
        reported = GaugeMetricFamily(
            "gateway_engine_reported_seconds",
            "When an OPA server last reported, in seconds since the epoch",
            labels=["engine"],
        )
        for uri, report in self._reports.reports().items():
            other.add_metric([uri], float(report.revision != expected))
            failing.add_metric([uri], float(bool(report.error)))
            reported.add_metric([uri], report.reported_us / _SECOND_US)
        yield from (other, failing, reported)


def status_router(reports: EngineReports, limits: BodyLimits = BODY_LIMITS) -> APIRouter:
    """Both routes; a partition name is the engine's own affair."""
    router = APIRouter(tags=["engines"])

    @router.post("/status", summary="An OPA server's report of itself")
    async def status(request: Request) -> Response:
        caller: Caller = request.scope["state"]["caller"]
        reports.take(caller.subject.uri, await read_json_body(request, limits))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.post("/status/{partition}", summary="The same, where it names a partition")
    async def partition_status(request: Request, partition: str) -> Response:
        return await status(request)

    return router


def _error(status: _BundleStatus) -> str:
    if not status.code:
        return ""
    more = f" ({len(status.errors)} errors)" if status.errors else ""
    return f"{status.code}: {status.message}"[:_MAX_TEXT] + more
