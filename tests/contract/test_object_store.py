"""What every `ObjectStore` does. The S3 one is held to the same in tests/interop."""

from pathlib import Path

import pytest

from gateway.archive.errors import ArchiveError
from gateway.archive.folder import FolderStore
from gateway.archive.port import ObjectStore
from tests.fakes.object_store import MemoryStore

UNTIL_US = 3_000_000_000_000_000


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return MemoryStore() if request.param == "memory" else FolderStore(tmp_path / "new" / "archive")


def names(store: ObjectStore, prefix: str = "", start: str = "") -> list[str]:
    return [version.name for version in store.versions(prefix, start)]


def test_an_object_is_written_once(store: ObjectStore) -> None:
    assert store.put_once("segments/a", b"one", UNTIL_US)
    assert not store.put_once("segments/a", b"two", UNTIL_US)
    assert store.get("segments/a") == b"one"
    (version,) = store.versions()
    assert (version.name, version.size, version.is_marker) == ("segments/a", 3, False)
    assert store.get("segments/a", version.id) == b"one"


def test_names_are_listed_by_prefix_from_a_start_on(store: ObjectStore) -> None:
    assert names(store) == []
    for name in ("log.json", "segments/a", "segments/b", "segments/c"):
        store.put_once(name, name.encode(), UNTIL_US)
    assert names(store) == ["log.json", "segments/a", "segments/b", "segments/c"]
    assert names(store, "segments/") == ["segments/a", "segments/b", "segments/c"]
    assert names(store, "segments/", "segments/b") == ["segments/b", "segments/c"]


def test_what_is_not_there_is_an_error(store: ObjectStore) -> None:
    with pytest.raises(ArchiveError):
        store.get("segments/a")


def test_a_store_that_keeps_dates_has_the_one_asked_for(store: ObjectStore) -> None:
    store.put_once("a", b"one", UNTIL_US)
    kept = store.retention("a")
    assert (kept is not None) is store.keeps_dates is store.is_locked("a")
    if kept is not None:
        assert (kept.until_us, kept.is_compliance) == (UNTIL_US, True)
        store.extend("a", "", UNTIL_US + 1_000_000)
        later = store.retention("a")
        assert later is not None
        assert later.until_us == UNTIL_US + 1_000_000
