"""Rows of the log into a file, as OCSF events or CSV, whole or not at all."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from gateway.errors import ConfigError
from gateway.reading.csv_rows import write_csv
from gateway.reading.ocsf import write_ocsf
from gateway.reading.reading import OnEntry, find_classes, read_rows
from gateway.reading.rows import Row
from gateway.reading.selection import Selection
from gateway.transparency.source import LogSource

Write = Callable[[Iterable[Row], TextIO], int]
NameAll = Callable[[Mapping[str, int]], Mapping[str, str]]

WRITERS: Mapping[str, Write] = {"csv": write_csv, "ocsf": write_ocsf}


@dataclass(frozen=True, slots=True)
class Range:
    """Entries `first` to `last`, inclusive; None: to the end."""

    first: int = 0
    last: int | None = None


def export_rows(
    source: LogSource,
    out: Path,
    form: str,
    selection: Selection,
    within: Range,
    name_all: NameAll | None = None,
    on_entry: OnEntry | None = None,
) -> int:
    """Write the wanted rows to `out`; gives how many. `name_all` opens payloads of the classes that
    the rows are about. Raises SourceError, ConfigError where `out` cannot be written, and what
    `name_all` raises."""
    names: Mapping[str, str] | None = None
    if name_all is not None:
        names = name_all(find_classes(source, selection, within.first, within.last))
    rows = read_rows(
        source,
        selection,
        None if names is None else lambda class_id: names.get(class_id, ""),
        within.first,
        within.last,
        on_entry,
    )
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            written = WRITERS[form](rows, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}; name another place") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return written
