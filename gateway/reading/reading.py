"""From a source and a selection to rows."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from gateway.reading.rows import Flattener, Located, NameClass, Row, locate
from gateway.reading.selection import Selection
from gateway.transparency.source import LogSource

OnEntry = Callable[[int], None]


def read_rows(
    source: LogSource,
    selection: Selection,
    name_class: NameClass | None = None,
    first: int = 0,
    last: int | None = None,
    on_entry: OnEntry | None = None,
) -> Iterator[Row]:
    """The wanted rows among entries `first` to `last` (inclusive), in order, in constant memory.
    `on_entry(seq)` hears of each entry read. Raises SourceError when the source cannot be read."""
    flattener = Flattener(source, name_class)
    for located in locate(source, first):
        if last is not None and located.seq > last:
            return
        if on_entry is not None:
            on_entry(located.seq)
        if selection.covers(located):
            for row in flattener.rows(located):
                if selection.takes(row):
                    yield row


def read_entries(
    source: LogSource,
    selection: Selection,
    name_class: NameClass | None = None,
    first: int = 0,
    last: int | None = None,
) -> Iterator[tuple[Located, list[Row]]]:
    """The entries among `first` to `last` that have a wanted row, each with those rows; raises
    SourceError."""
    flattener = Flattener(source, name_class)
    for located in locate(source, first):
        if last is not None and located.seq > last:
            return
        if selection.covers(located):
            rows = [row for row in flattener.rows(located) if selection.takes(row)]
            if rows or not selection.asks_of_rows:
                yield located, rows


def find_classes(
    source: LogSource, selection: Selection, first: int = 0, last: int | None = None
) -> dict[str, int]:
    """The class ids of the rows that are wanted, whatever their processes are called, each with the
    seq of the entry that it was evaluated in; raises SourceError."""
    anybody = replace(selection, process="")
    rows = read_rows(source, anybody, first=first, last=last)
    return {row.class_id: row.evaluated_seq for row in rows if row.class_id}
