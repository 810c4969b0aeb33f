import json

import pytest

from gateway.api.problems import PROBLEMS, ProblemError, name_of, problem_response
from gateway.errors import (
    CanonicalError,
    ChangeRefusedError,
    ConflictError,
    EngineError,
    IdentityError,
    InputError,
    LogUnavailableError,
    TooLargeError,
)


@pytest.mark.parametrize(
    ("error", "name", "status"),
    [
        (InputError("x"), "malformed", 400),
        (CanonicalError("x"), "malformed", 400),
        (IdentityError("x"), "unidentified", 401),
        (ConflictError("x"), "conflict", 409),
        (TooLargeError("x"), "too-large", 413),
        (ChangeRefusedError("x"), "not-acceptable-change", 422),
        (EngineError("x"), "not-ready", 503),
        (LogUnavailableError("x"), "log-unavailable", 503),
        (ProblemError("forbidden", "x"), "forbidden", 403),
        (ValueError("secret"), "internal", 500),
    ],
)
def test_each_error_has_its_problem(error: Exception, name: str, status: int) -> None:
    assert name_of(error) == name
    answer = problem_response(error, "id-1")
    value = json.loads(bytes(answer.body))
    assert (answer.status_code, value["status"]) == (status, status)
    assert value["type"] == f"urn:compliance-gateway:problem:{name}"
    assert value["title"] == PROBLEMS[name][1]
    assert "secret" not in value["detail"]
