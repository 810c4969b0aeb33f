"""Which version of an object counts."""

import pytest

from gateway.archive.errors import ArchiveError
from gateway.archive.port import Version
from gateway.archive.reading import Objects, StoreReader
from gateway.transparency.errors import SourceError
from tests.fakes.object_store import MemoryStore

LOCKED_US = 4_000_000_000_000_000


def objects(store: MemoryStore) -> Objects:
    return Objects(store, store.versions())


def test_the_only_version_counts() -> None:
    store = MemoryStore()
    store.attack_over("a", b"one")
    assert objects(store).get("a") == b"one"
    assert objects(store).findings == []


def test_the_oldest_locked_version_counts() -> None:
    store = MemoryStore()
    store.attack_over("a", b"planted before")
    store.put_version("a", b"one", LOCKED_US)
    store.attack_over("a", b"over it", LOCKED_US)
    store.attack_marker("a")
    found = objects(store)
    assert found.get("a") == b"one"
    assert len(found.findings) == 3
    assert all(text.startswith("a: ") for text in found.findings)


def test_of_versions_of_one_second_the_listing_tells_which_is_older() -> None:
    store = MemoryStore()
    for content in (b"one", b"two"):
        store.put_version("a", content, LOCKED_US)
    newest, oldest = list(store.versions())
    same = [Version("a", item.id, 7, item.size, item.tag) for item in (newest, oldest)]
    assert Objects(store, same).get("a") == b"one"


def test_the_same_bytes_twice_are_no_finding() -> None:
    store = MemoryStore()
    for _ in range(2):
        store.put_version("a", b"one", LOCKED_US)
    assert objects(store).findings == []


def test_a_version_that_is_listed_twice_is_one() -> None:
    store = MemoryStore()
    store.put_version("a", b"one", LOCKED_US)
    twice = [*store.versions(), *store.versions()]
    assert Objects(store, twice).findings == []


def test_what_only_a_marker_is_left_of_is_named_and_cannot_be_read() -> None:
    store = MemoryStore()
    store.attack_marker("a")
    found = objects(store)
    assert found.chosen == {}
    assert "is all that is left" in found.findings[0]
    with pytest.raises(ArchiveError, match="there is no a"):
        found.get("a")
    with pytest.raises(SourceError, match="there is no a"):
        StoreReader(store).read("a")
