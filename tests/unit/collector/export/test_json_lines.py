"""Points count as exported only once they are on the disk, whole."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from collector.enforce.decision import Decision
from collector.enforce.enforcer import Enforced, Enforcer
from collector.enforce.ledger import Ledger
from collector.errors import ExportError
from collector.export.json_lines import JsonLinesExporter, count_points
from tests.fakes.processes import snapshot


@pytest.fixture
def request_of_five() -> Any:
    items = [Enforced(snapshot("a", 1, points=5), Decision("kept", "no_lease", None))]
    return Enforcer(Ledger("0"), "eu-west-1").apply(items)[0]


def test_each_request_is_a_line(tmp_path: Path, request_of_five: Any) -> None:
    path = tmp_path / "points.jsonl"
    exporter = JsonLinesExporter(path)
    assert exporter.export(request_of_five) == 5
    assert exporter.export(request_of_five) == 5
    lines = path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [request_of_five] * 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_torn_write_is_cut_off_and_nothing_counts(
    tmp_path: Path, request_of_five: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "points.jsonl"
    exporter = JsonLinesExporter(path)
    exporter.export(request_of_five)
    before = path.read_bytes()
    write = os.write

    def fill_disk(descriptor: int, data: Any) -> int:
        if len(data) > 40:
            return write(descriptor, bytes(data[:40]))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fill_disk)
        with pytest.raises(ExportError, match=r"points\.jsonl cannot be written"):
            exporter.export(request_of_five)
    assert path.read_bytes() == before
    assert exporter.export(request_of_five) == 5


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, request_of_five: Any) -> None:
    with pytest.raises(ExportError, match="No such file"):
        JsonLinesExporter(tmp_path / "missing" / "points").export(request_of_five)


def test_points_are_counted_in_what_is_written(request_of_five: Any) -> None:
    assert count_points(request_of_five) == 5
    assert count_points({"resourceMetrics": []}) == 0
