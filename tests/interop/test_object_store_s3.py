"""The contract of object stores, over a real S3 server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.archive.port import ObjectStore
from gateway.archive.s3 import S3Settings, open_s3_store
from tests.contract.test_object_store import (
    test_a_store_that_keeps_dates_has_the_one_asked_for as test_a_date_is_the_one_asked_for,
)
from tests.contract.test_object_store import (
    test_an_object_is_written_once,
    test_names_are_listed_by_prefix_from_a_start_on,
    test_what_is_not_there_is_an_error,
)
from tests.interop.s3_server import (
    ACCESS_KEY,
    REGION,
    SECRET_KEY,
    make_bucket,
    open_client,
    s3_server,
)

__all__ = [
    "test_a_date_is_the_one_asked_for",
    "test_an_object_is_written_once",
    "test_names_are_listed_by_prefix_from_a_start_on",
    "test_what_is_not_there_is_an_error",
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    with s3_server(tmp_path) as endpoint:
        make_bucket(open_client(endpoint), "archive")
        yield open_s3_store(S3Settings("archive", "audit", REGION, endpoint))
