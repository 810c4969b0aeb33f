"""Kept points as OTLP JSON lines: append, flush to the disk, then count (P8)."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collector.errors import ExportError


class JsonLinesExporter:
    """Appends one `ExportMetricsServiceRequest` a line to a file of mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, request: Mapping[str, Any]) -> int:
        """Write one request; returns its points, durable; raises ExportError with none written.

        A write that failed halfway is cut off again, so that the line neither stays torn nor is
        counted twice when the request is tried again.
        """
        line = json.dumps(request, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        data = line.encode() + b"\n"
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _append(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ExportError(
                f"export.file {self._path} cannot be written ({error.strerror}); "
                "the points wait until it can"
            ) from None
        return count_points(request)


def count_points(request: Mapping[str, Any]) -> int:
    """The data points of an OTLP request, counted in what is written and nowhere else."""
    return sum(
        len(metric[kind]["dataPoints"])
        for resource in request["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        for kind in ("gauge", "sum")
        if kind in metric
    )


def _append(descriptor: int, data: bytes) -> None:
    start = os.fstat(descriptor).st_size
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, start)
        raise
