"""Which role may call which route: the whole table, and the only one."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.identity.subject import Role

Route = tuple[str, str]

DECISIONS: Route = ("POST", "/v1/decisions")
LEDGER: Route = ("POST", "/v1/ledger")
CHECKPOINT: Route = ("GET", "/v1/checkpoint")
CONSISTENCY: Route = ("GET", "/v1/checkpoint/consistency")
INCLUSION: Route = ("GET", "/v1/checkpoint/inclusion")
POLICY: Route = ("GET", "/v1/policy")
LIVENESS: Route = ("GET", "/healthz")
READINESS: Route = ("GET", "/readyz")
METRICS: Route = ("GET", "/metrics")
OPENAPI: Route = ("GET", "/openapi.json")

_HEALTH = frozenset({LIVENESS, READINESS})
_EVIDENCE = frozenset({CHECKPOINT, CONSISTENCY, INCLUSION})

ALLOWED: Mapping[Role, frozenset[Route]] = MappingProxyType(
    {
        Role.COLLECTOR: _HEALTH | _EVIDENCE | {DECISIONS, LEDGER, POLICY},
        Role.AUDITOR: _HEALTH | _EVIDENCE | {POLICY, METRICS},
        Role.OPERATOR: _HEALTH | _EVIDENCE | {POLICY, METRICS, OPENAPI},
        Role.AUTHOR: _HEALTH | {POLICY, OPENAPI},
        Role.APPROVER: _HEALTH | {POLICY, OPENAPI},
        Role.GATEWAY: _HEALTH,
    }
)


def is_allowed(role: Role, method: str, path_template: str) -> bool:
    """Whether `role` may call the route. Exact: `path_template` is the route's as it is declared,
    never the path as it was sent; a route that is not in the table is nobody's."""
    return (method, path_template) in ALLOWED[role]
