"""GET /tlog/: the log as a tree of tiles (https://c2sp.org/tlog-tiles), for anybody's tooling.

A path has as many segments as its tile's number has groups of three digits, and one more for a
partial tile: the table of routes names each depth.
"""

import hashlib
from typing import Protocol

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.api.problems import ProblemError
from gateway.identity.roles import TLOG_CHECKPOINT, TLOG_TILES
from gateway.transparency.errors import TileError
from gateway.transparency.tiles import TilePlace, parse_tile_path

PREFIX = "/tlog/"
_FOR_EVER = "max-age=31536000, immutable"  # a tile never changes; a partial one may go
_A_MINUTE = "max-age=60"


class Tiles(Protocol):
    """The log's tree."""

    async def checkpoint(self) -> str | None:
        """The newest signed note; raises LogUnavailableError."""

    async def read(self, place: TilePlace) -> bytes | None:
        """What stands there, None when nothing does; raises LogUnavailableError."""


def tlog_router(tiles: Tiles) -> APIRouter:
    """The reading routes of the tree."""
    router = APIRouter(tags=["evidence"])

    @router.get(TLOG_CHECKPOINT[1], response_class=PlainTextResponse, summary="Newest checkpoint")
    async def checkpoint() -> Response:
        note = await tiles.checkpoint()
        if note is None:
            raise ProblemError("not-ready", "no checkpoint is signed yet; come back in a second")
        return PlainTextResponse(note, headers={"cache-control": "no-store"})

    async def tile(request: Request) -> Response:
        try:
            place = parse_tile_path(request.scope["path"].removeprefix(PREFIX))
        except TileError as error:
            raise ProblemError("not-found", str(error)) from None
        data = await tiles.read(place)
        if data is None:
            raise ProblemError("not-found", "the newest checkpoint has no such tile")
        return _answer(request, place, data)

    for _method, template in TLOG_TILES:
        router.add_api_route(
            template, tile, response_class=Response, summary="Tile or bundle of entries"
        )
    return router


def _answer(request: Request, place: TilePlace, data: bytes) -> Response:
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": _FOR_EVER if place.is_full else _A_MINUTE}
    known = request.headers.get("if-none-match", "").split(",")
    if tag in (one.strip().removeprefix("W/") for one in known):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="application/octet-stream")
