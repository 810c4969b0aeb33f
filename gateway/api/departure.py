"""Notices that a caller has gone while its answer is not finished."""

from starlette.types import Receive


async def departed(receive: Receive) -> None:
    """Returns when the connection has ended; what is left of the request's body is dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass
