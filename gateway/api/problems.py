"""The one place where errors become RFC 9457 problem documents."""

from http import HTTPStatus

from starlette.responses import JSONResponse

from gateway.errors import (
    ChangeRefusedError,
    ConflictError,
    EngineError,
    GatewayError,
    IdentityError,
    InputError,
    LogUnavailableError,
    TooLargeError,
)

MEDIA_TYPE = "application/problem+json"
URN = "urn:compliance-gateway:problem:"

# name -> (status, title); docs/formats.md section 3 lists the same.
PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be read"),
    "unidentified": (401, "The certificate does not identify a subject that may act now"),
    "forbidden": (403, "The subject's role may not call this route"),
    "not-found": (404, "There is no such route"),
    "method-not-allowed": (405, "The route has no such method"),
    "timeout": (408, "The request did not arrive in time"),
    "conflict": (409, "The request contradicts what has happened meanwhile"),
    "too-large": (413, "The request is past a limit"),
    "unsupported-media-type": (415, "The body must be application/json"),
    "not-acceptable-change": (422, "The change cannot be taken"),
    "log-unavailable": (503, "The audit log cannot be written; keep everything"),
    "not-ready": (503, "The gateway is not ready; keep everything"),
    "overloaded": (503, "Too many requests are waiting; keep everything and come back"),
    "internal": (500, "The gateway failed; keep everything"),
}

# The first base that matches gives the problem's name.
_ERRORS: tuple[tuple[type[GatewayError], str], ...] = (
    (TooLargeError, "too-large"),
    (InputError, "malformed"),
    (ConflictError, "conflict"),
    (ChangeRefusedError, "not-acceptable-change"),
    (IdentityError, "unidentified"),
    (LogUnavailableError, "log-unavailable"),
    (EngineError, "not-ready"),
)


class ProblemError(GatewayError):
    """A problem known by its name, raised inside `gateway.api` only."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(detail)
        self.name = name


def name_of(error: Exception) -> str:
    """The problem's name for an error; an undeclared error is `internal`, without its text."""
    if isinstance(error, ProblemError):
        return error.name
    return next((name for kind, name in _ERRORS if isinstance(error, kind)), "internal")


def problem_response(error: Exception, request_id: str) -> JSONResponse:
    """The problem document of an error."""
    name = name_of(error)
    detail = str(error) if name != "internal" else "see the gateway's log under the request id"
    return problem(name, detail, request_id)


def problem(name: str, detail: str, request_id: str) -> JSONResponse:
    """A problem document by name."""
    status, title = PROBLEMS[name]
    headers = {"retry-after": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(
        {
            "type": URN + name,
            "title": title,
            "status": status,
            "detail": detail,
            "request_id": request_id,
        },
        status_code=status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )
