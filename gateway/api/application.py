"""The HTTP application: routers behind the gate."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.api.denials import DenialRecorder
from gateway.api.gate import Gate, Handler
from gateway.api.problems import ProblemError, problem_response
from gateway.errors import GatewayError
from gateway.identity.roles import Route
from gateway.identity.trust import TrustStore


def create_application(
    routers: Mapping[str, APIRouter],
    trust: TrustStore,
    denials: DenialRecorder,
    count: Callable[[str, int], None],
    version: str,
    direct: Mapping[Route, Handler],
) -> ASGIApp:
    """FastAPI with our routers, no docs pages (they load scripts from elsewhere), and the gate."""
    app = FastAPI(
        title="Compliance gateway for telemetry",
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    for router in routers.values():
        app.include_router(router)
    app.add_exception_handler(RequestValidationError, _on_bad_query)
    app.add_exception_handler(GatewayError, _on_error)
    # Without it Starlette would answer what nobody declared in its own plain text.
    app.add_exception_handler(Exception, _on_error)
    return Gate(app, trust, denials, count, direct)


async def _on_error(request: Request, error: Exception) -> Response:
    return problem_response(error, request.scope["state"]["caller"].request_id)


async def _on_bad_query(request: Request, error: Exception) -> Response:
    names = ""
    if isinstance(error, RequestValidationError):
        names = ", ".join(str(item["loc"][-1]) for item in error.errors())
    return await _on_error(request, ProblemError("malformed", f"these are not numbers: {names}"))
