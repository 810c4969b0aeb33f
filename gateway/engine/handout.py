"""Hands sealed data, opened, to one OPA: once, over loopback, for a token that only it was given.

OPA's REST client knows no unix sockets, so the place is 127.0.0.1. What guards it is the token:
made anew for each start, given to OPA in its environment (never on disk, never on the command
line), and spent by the first answer. The listener closes when OPA is up: nothing is left to ask.
"""

import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.errors import EngineError

SEALED_NAME = "sealed"
TOKEN_VARIABLE = "SEALED_DATA_TOKEN"  # noqa: S105 - its name, not its value
_LOOPBACK = "127.0.0.1"
_PATH = "/sealed"
_MEDIA_TYPE = "application/vnd.openpolicyagent.bundles"
_NEVER_SECONDS = 365 * 86_400  # OPA would ask again and again; a new revision is a new OPA


@asynccontextmanager
async def handed_out(archive: bytes | None) -> AsyncIterator["Handout | None"]:
    """The archive on offer for one start of OPA; None without any. Raises EngineError."""
    if archive is None:
        yield None
        return
    handout = Handout(archive)
    await handout.open()
    try:
        yield handout
    finally:
        await handout.aclose()


class Handout:
    """One archive for one OPA. `token` opens it once."""

    def __init__(self, archive: bytes) -> None:
        self._archive: bytes | None = archive
        self._runner: web.ServerRunner | None = None
        self._port = 0
        self.token = secrets.token_urlsafe(32)

    @property
    def was_taken(self) -> bool:
        """Whether somebody with the token got it."""
        return self._archive is None

    def configuration(self) -> str:
        """What OPA's configuration file says (YAML): it reads the token from its environment, and
        keeps the bundle in memory alone."""
        return (
            "services:\n"
            "  gateway:\n"
            f"    url: http://{_LOOPBACK}:{self._port}\n"
            f"    credentials: {{bearer: {{token: '${{{TOKEN_VARIABLE}}}'}}}}\n"
            "bundles:\n"
            f"  {SEALED_NAME}:\n"
            "    service: gateway\n"
            f"    resource: {_PATH}\n"
            "    persist: false\n"
            f"    polling: {{min_delay_seconds: {_NEVER_SECONDS}, "
            f"max_delay_seconds: {_NEVER_SECONDS}}}\n"
        )

    async def open(self) -> None:
        """Listen on a free port; raises EngineError."""
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] = self._answer
        runner = web.ServerRunner(web.Server(handler, access_log=None))
        await runner.setup()
        self._runner = runner
        try:
            await web.TCPSite(runner, _LOOPBACK, 0).start()
        except OSError as error:
            await self.aclose()
            raise EngineError(f"no port on loopback for sealed data: {error.strerror}") from None
        self._port = runner.addresses[0][1]

    async def aclose(self) -> None:
        """Listen no more, and forget the archive."""
        self._archive = None
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "")
        if not hmac.compare_digest(
            shown.encode("utf-8", "replace"), f"Bearer {self.token}".encode()
        ):
            return web.Response(status=401)
        if (request.method, request.path) != ("GET", _PATH):
            return web.Response(status=404)
        # Taken before it is sent: nobody gets it twice. An OPA that lost it is started anew.
        archive, self._archive = self._archive, None
        if archive is None:
            return web.Response(status=401)
        return web.Response(body=archive, content_type=_MEDIA_TYPE)
