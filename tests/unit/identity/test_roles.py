import pytest

from gateway.identity.roles import ALLOWED, is_allowed
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
    ("GET", "/v1/events"),
    ("POST", "/access/v1/evaluation"),
    ("POST", "/access/v1/evaluations"),
    ("GET", "/.well-known/authzen-configuration"),
    ("GET", "/bundles/{name}"),
    ("POST", "/status"),
    ("POST", "/status/{partition}"),
    ("GET", "/v1/changes"),
    ("GET", "/v1/changes/{id}"),
    ("GET", "/v1/exceptions"),
    ("POST", "/v1/changes"),
    ("POST", "/v1/protections"),
    ("POST", "/v1/exceptions"),
    ("POST", "/v1/changes/{id}/approve"),
    ("POST", "/v1/changes/{id}/reject"),
    ("POST", "/v1/exceptions/{id}/revoke"),
    ("POST", "/v1/rollback"),
    ("GET", "/v1/deeds/due"),
    ("GET", "/v1/holds"),
    ("POST", "/v1/deeds"),
    ("POST", "/v1/deeds/match"),
    ("POST", "/v1/holds"),
    ("GET", "/tlog/checkpoint"),
    ("GET", "/tlog/tile/{level}/{a}"),
    ("GET", "/tlog/tile/{level}/{a}/{b}"),
    ("GET", "/tlog/tile/{level}/{a}/{b}/{c}"),
    ("GET", "/tlog/tile/{level}/{a}/{b}/{c}/{d}"),
    ("GET", "/v1/checkpoint/cosigned"),
    ("POST", "/v1/witness-report"),
    ("GET", "/v1/checkpoint/handovers"),
    ("GET", "/v1/succession"),
]

# Written out apart from the table it checks: x = allowed, in the order of ROUTES.
MATRIX = {
    "collector": "xxxxxx..xx xxxx ... ... ... .. .. .. ... ..... xx xx",
    "auditor": "..xxxxx.xx .... ... xxx ... .. .. xx ... xxxxx x. xx",
    "operator": "..xxxxxxxx x..x ... xxx xxx .. xx xx xxx xxxxx x. xx",
    "author": ".....x.xxx .... ... xxx xxx .. xx xx xxx ..... .. ..",
    "approver": ".....x.xxx .... ... xxx ... xx xx xx ..x ..... .. ..",
    "gateway": "........xx .... ... ... ... .. .. .. ... ..... .. ..",
    "engine": "........xx x... xxx ... ... .. .. .. ... ..... .. ..",
}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_call_its_routes_and_no_other(role: Role) -> None:
    allowed = "".join("x" if is_allowed(role, *route) else "." for route in ROUTES)
    assert allowed == MATRIX[role].replace(" ", "")


def test_the_matrix_names_every_route() -> None:
    assert set(ROUTES) == {route for routes in ALLOWED.values() for route in routes}


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
