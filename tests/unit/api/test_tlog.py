"""GET /tlog/: the tree's files, their caching, and nobody else's paths."""

import pytest

from gateway.identity.subject import Role
from gateway.transparency.tiles import parse_tile_path
from tests.fakes.api import SUBJECTS, Service

AUDITOR = SUBJECTS[Role.AUDITOR]
SERVICE = Service()


def test_the_checkpoint_is_text_that_nobody_keeps() -> None:
    service = Service()
    response = service.call("GET", "/tlog/checkpoint", AUDITOR)
    assert (response.status_code, response.text) == (200, "note")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    service.tiles.note = None
    assert service.call("GET", "/tlog/checkpoint", AUDITOR).status_code == 503


@pytest.mark.parametrize(
    "path",
    [
        *("tile/0/000", "tile/63/999", "tile/entries/000", "tile/0/000.p/1", "tile/0/x001/000"),
        *("tile/entries/x001/000.p/255", "tile/0/x001/x234/067", "tile/0/x001/x234/067.p/112"),
    ],
)
def test_a_tile_is_served_at_every_depth_and_kept_when_it_is_full(path: str) -> None:
    response = SERVICE.call("GET", f"/tlog/{path}", AUDITOR)
    assert (response.status_code, response.content) == (200, path.encode())
    assert response.headers["content-type"] == "application/octet-stream"
    is_kept = response.headers["cache-control"] == "max-age=31536000, immutable"
    assert is_kept == parse_tile_path(path).is_full


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ('"other", {}', 304),
        ('"other"', 200),
        ("", 200),
        ("*", 200),
    ],
)
def test_a_tile_that_is_known_is_not_sent_again(sent: str, status: int) -> None:
    tag = SERVICE.call("GET", "/tlog/tile/0/000", AUDITOR).headers["etag"]
    assert tag != SERVICE.call("GET", "/tlog/tile/0/001", AUDITOR).headers["etag"]
    headers = {"if-none-match": sent.replace("{}", tag)}
    response = SERVICE.call("GET", "/tlog/tile/0/000", AUDITOR, headers=headers)
    assert (response.status_code, response.headers["etag"]) == (status, tag)
    assert (response.content == b"") == (status == 304)


@pytest.mark.parametrize(
    "path",
    [
        *("tile/0/0", "tile/0/000.p/0", "tile/0/000.p/256", "tile/64/000", "tile/00/000"),
        *("tile/0/x000/001", "tile/data/000", "tile/0/000/001", "tile/0", "tile", "tile/0/000/"),
        *("tile/0/x001/x001/x001/000.p/1", "tile//000", "checkpoint/", ""),
        *("tile/0/00%30", "Tile/0/000", "tile/entries/000.p"),
    ],
)
def test_any_other_path_is_not_found(path: str) -> None:
    assert SERVICE.call("GET", f"/tlog/{path}", AUDITOR).status_code == 404


def test_a_tile_that_the_checkpoint_does_not_reach_is_not_found() -> None:
    service = Service()
    service.tiles.absent.add(parse_tile_path("tile/0/007"))
    response = service.call("GET", "/tlog/tile/0/007", AUDITOR)
    assert response.status_code == 404
    assert response.json()["detail"] == "the newest checkpoint has no such tile"
