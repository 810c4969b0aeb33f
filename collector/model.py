"""OpenTelemetry's model of what is measured: resource, scope, metric, point; and its JSON form.

Sources parse the host into these types once; nothing past them sees a psutil or /proc value.
Sources: OTLP 1.x `metrics.proto` and its JSON mapping (lowerCamelCase names, 64-bit integers as
decimal strings, enums as numbers).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

AttributeValue = str | bool | int | float | tuple[str, ...]
Attributes = Mapping[str, AttributeValue]
MetricKind = Literal["sum", "gauge"]


class Temporality(IntEnum):
    """OTLP's AggregationTemporality."""

    DELTA = 1
    CUMULATIVE = 2


@dataclass(frozen=True, slots=True)
class Resource:
    """What the metrics are of: here one process on one host."""

    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Scope:
    """What measured."""

    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One value at one time. Times are nanoseconds since the Unix epoch; `start_time_ns` is when a
    cumulative series began, the same for as long as the series lives."""

    value: int | float
    time_ns: int
    start_time_ns: int = 0
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric with its points. `monotonic` and `temporality` count for sums only."""

    name: str
    unit: str
    kind: MetricKind
    points: tuple[Point, ...]
    monotonic: bool = False
    temporality: Temporality = Temporality.CUMULATIVE


@dataclass(frozen=True, slots=True)
class ResourceMetrics:
    """The metrics of one resource, measured by one scope."""

    resource: Resource
    scope: Scope
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True, order=True)
class ProcessIdentity:
    """One process for as long as the host is up. `start_time` is in clock ticks since boot, so that
    neither a reused pid nor a step of the wall clock confuses it."""

    pid: int
    start_time: int

    @property
    def ref(self) -> str:
        """The `ref` of this process's proposals."""
        return f"{self.pid}:{self.start_time}"


@dataclass(frozen=True, slots=True)
class ProcessSnapshot:
    """One process as one scan saw it; `attributes` are its resource's."""

    identity: ProcessIdentity
    attributes: Attributes
    metrics: tuple[Metric, ...]

    @property
    def point_count(self) -> int:
        """How many points the ledger counts for this snapshot."""
        return sum(len(metric.points) for metric in self.metrics)


def to_otlp_json(resource_metrics: Iterable[ResourceMetrics]) -> dict[str, Any]:
    """An `ExportMetricsServiceRequest` (or `MetricsData`) in OTLP's JSON form."""
    return {"resourceMetrics": [_resource_json(item) for item in resource_metrics]}


def _resource_json(item: ResourceMetrics) -> dict[str, Any]:
    scope = {"name": item.scope.name}
    if item.scope.version:
        scope["version"] = item.scope.version
    return {
        "resource": {"attributes": _attributes_json(item.resource.attributes)},
        "scopeMetrics": [{"scope": scope, "metrics": [_metric_json(m) for m in item.metrics]}],
    }


def _metric_json(metric: Metric) -> dict[str, Any]:
    data: dict[str, Any] = {"dataPoints": [_point_json(point) for point in metric.points]}
    if metric.kind == "sum":
        data["aggregationTemporality"] = int(metric.temporality)
        data["isMonotonic"] = metric.monotonic
    return {"name": metric.name, "unit": metric.unit, metric.kind: data}


def _point_json(point: Point) -> dict[str, Any]:
    encoded: dict[str, Any] = {}
    if point.attributes:
        encoded["attributes"] = _attributes_json(point.attributes)
    if point.start_time_ns:
        encoded["startTimeUnixNano"] = str(point.start_time_ns)
    encoded["timeUnixNano"] = str(point.time_ns)
    if isinstance(point.value, float):
        encoded["asDouble"] = _double_json(point.value)
    else:
        encoded["asInt"] = str(int(point.value))
    return encoded


def _attributes_json(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value_json(value)} for key, value in attributes.items()]


def _value_json(value: AttributeValue) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):  # before int: a bool is an int in Python
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": _double_json(value)}
    return {"arrayValue": {"values": [_value_json(item) for item in value]}}


def _double_json(value: float) -> float | str:
    """JSON has no NaN or infinity; protobuf's mapping writes them as text."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
