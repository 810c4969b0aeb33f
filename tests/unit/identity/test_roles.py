import pytest

from gateway.identity.roles import is_allowed
from gateway.identity.subject import Role

ROUTES = [
    ("POST", "/v1/decisions"),
    ("POST", "/v1/ledger"),
    ("GET", "/v1/checkpoint"),
    ("GET", "/v1/checkpoint/consistency"),
    ("GET", "/v1/checkpoint/inclusion"),
    ("GET", "/v1/policy"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
]

# Written out apart from the table it checks: x = allowed, in the order of ROUTES.
MATRIX = {
    "collector": "xxxxxx..xx",
    "auditor": "..xxxxx.xx",
    "operator": "..xxxxxxxx",
    "author": ".....x.xxx",
    "approver": ".....x.xxx",
    "gateway": "........xx",
}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_call_its_routes_and_no_other(role: Role) -> None:
    allowed = "".join("x" if is_allowed(role, *route) else "." for route in ROUTES)
    assert allowed == MATRIX[role]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/decisions"),
        ("PUT", "/v1/decisions"),
        ("post", "/v1/decisions"),
        ("HEAD", "/v1/checkpoint"),
        ("POST", "/v1/checkpoint"),
        ("GET", "/v1/checkpoint/"),
        ("GET", "/v1/checkpoint/other"),
        ("GET", "/v1/checkpointx"),
        ("GET", "/V1/policy"),
        ("GET", "/v1/policy/../decisions"),
        ("DELETE", "/healthz"),
        ("GET", "/"),
        ("GET", ""),
    ],
)
def test_what_is_not_in_the_table_is_nobodys(role: Role, method: str, path: str) -> None:
    assert not is_allowed(role, method, path)
