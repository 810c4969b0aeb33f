"""A protected service that is no longer seen raises an alarm."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.bundles.sealed import SealedData, SealedRow
from gateway.clock import format_time
from gateway.errors import BundleError
from gateway.impact.report import Unseen
from gateway.impact.unseen import expected_unseen, rows_unseen
from gateway.recorded.reading import RecordedClass, read_recorded
from tests.fakes.decisions import NOW_US
from tests.fakes.engine import FakeEngine
from tests.fakes.recorded import bundle_of, memory_traffic, policy_of

TODAY = format_time(NOW_US)[:10]


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "glob": f"{name}-*", "control": "C/1", "reason": "", **more}


def seen(*names: str) -> Sequence[RecordedClass]:
    traffic, recorded = memory_traffic()
    policy = policy_of(bundle_of(), FakeEngine())
    asyncio.run(traffic.give(policy, dict.fromkeys(names, 1)))
    return read_recorded(recorded, recorded, TODAY, TODAY, lambda _: None).classes


def test_expected_rows_and_those_once_seen_are_alarms() -> None:
    rows = [row("a"), row("b", expected=True), row("c"), row("d", expected=True), row("e")]
    found = rows_unseen(rows, seen("a-1", "D-7"), seen("a-1", "c-3"))
    assert found == (Unseen("b", "C/1", ""), Unseen("c", "C/1", TODAY))


def test_it_reads_the_bundles_own_rows() -> None:
    bundle = bundle_of(never_filter=[row("a", expected=True), row("b", expected=False)])
    assert [alarm.row for alarm in expected_unseen(bundle, seen("x"))] == ["a"]
    assert expected_unseen(bundle_of(), seen("x")) == ()


def test_services_of_families_are_protected_services_too() -> None:
    rows = [row("a", expected=True), row("b", expected=True), row("c")]
    family = {"family": {"title": "F"}, "services": rows}
    odd = {"tables": 1, "head": {"services": [row("z", expected=True)]}, "bare": {"family": {}}}
    bundle = replace(bundle_of(), data={"data": {"f": family, **odd}})
    assert [alarm.row for alarm in expected_unseen(bundle, seen("a-1"))] == ["b"]
    assert [alarm.row for alarm in expected_unseen(bundle, seen("x"), seen("c-1"))] == [
        "a",
        "b",
        "c",
    ]


def test_the_library_lets_its_rows_be_expected() -> None:
    schema = json.loads(Path("policies/schemas/family/schema.json").read_text())
    for name in ("never_filter", "services"):
        assert schema["properties"][name]["items"]["properties"]["expected"] == {"type": "boolean"}


def test_a_row_that_says_so_is_never_expected() -> None:
    rows = [row("a", expected=False), row("b", expected="no")]
    assert [one.row for one in rows_unseen(rows, seen("x"), seen("a-1", "b-1"))] == ["b"]


def test_of_sealed_rows_the_id_alone_is_told() -> None:
    secret = {**row("s", expected=True), "control": "SECRET/1"}
    sealed = SealedData("1", b"", (SealedRow("sealed/data.sops.yaml", secret, b"k" * 32),))
    bundle = replace(bundle_of(), sealed=sealed)
    assert expected_unseen(bundle, seen("x")) == (Unseen("s", "FLOOR", ""),)
    assert expected_unseen(bundle, seen("s-1")) == ()


def test_a_row_that_is_none_is_refused() -> None:
    with pytest.raises(BundleError):
        rows_unseen([{"id": "a"}], ())
