"""The model is OTLP's, and its JSON is OTLP's JSON."""

import dataclasses
import json

import pytest

from collector.model import (
    AttributeValue,
    Metric,
    Point,
    ProcessIdentity,
    ProcessSnapshot,
    Resource,
    ResourceMetrics,
    Scope,
    Temporality,
    to_otlp_json,
)

CPU = Metric(
    "process.cpu.time",
    "s",
    "sum",
    (Point(1.5, 2**60, 2**59, {"state": "user"}), Point(2**53 + 1, 7)),
    monotonic=True,
)


def test_json_has_camel_case_names_text_integers_and_numeric_enums() -> None:
    item = ResourceMetrics(Resource({"process.pid": 42}), Scope("s", "1"), (CPU,))
    assert json.loads(json.dumps(to_otlp_json([item]))) == {
        "resourceMetrics": [
            {
                "resource": {"attributes": [{"key": "process.pid", "value": {"intValue": "42"}}]},
                "scopeMetrics": [
                    {
                        "scope": {"name": "s", "version": "1"},
                        "metrics": [
                            {
                                "name": "process.cpu.time",
                                "unit": "s",
                                "sum": {
                                    "aggregationTemporality": 2,
                                    "isMonotonic": True,
                                    "dataPoints": [
                                        {
                                            "attributes": [
                                                {"key": "state", "value": {"stringValue": "user"}}
                                            ],
                                            "startTimeUnixNano": str(2**59),
                                            "timeUnixNano": str(2**60),
                                            "asDouble": 1.5,
                                        },
                                        {"timeUnixNano": "7", "asInt": str(2**53 + 1)},
                                    ],
                                },
                            }
                        ],
                    }
                ],
            }
        ]
    }


def test_a_gauge_has_no_temporality() -> None:
    gauge = Metric("g", "1", "gauge", (Point(1, 2),), temporality=Temporality.DELTA)
    item = ResourceMetrics(Resource({}), Scope("s"), (gauge,))
    metrics = to_otlp_json([item])["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    assert metrics == [
        {"name": "g", "unit": "1", "gauge": {"dataPoints": [{"timeUnixNano": "2", "asInt": "1"}]}}
    ]


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (True, {"boolValue": True}),
        (-1, {"intValue": "-1"}),
        (0.5, {"doubleValue": 0.5}),
        (float("nan"), {"doubleValue": "NaN"}),
        (float("-inf"), {"doubleValue": "-Infinity"}),
        (("a", "b"), {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}),
    ],
)
def test_attribute_values_keep_their_kind(
    value: AttributeValue, encoded: dict[str, object]
) -> None:
    item = ResourceMetrics(Resource({"k": value}), Scope("s"), ())
    attributes = to_otlp_json([item])["resourceMetrics"][0]["resource"]["attributes"]
    assert attributes == [{"key": "k", "value": encoded}]
    json.dumps(attributes, allow_nan=False)


def test_a_process_is_its_pid_and_its_start() -> None:
    first, reused = ProcessIdentity(42, 100), ProcessIdentity(42, 101)
    assert first != reused
    assert first.ref == "42:100"
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.pid = 43  # type: ignore[misc]


def test_a_snapshot_counts_its_points() -> None:
    assert ProcessSnapshot(ProcessIdentity(1, 1), {}, (CPU, CPU)).point_count == 4
