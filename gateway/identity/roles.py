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
HANDOVERS: Route = ("GET", "/v1/checkpoint/handovers")
COSIGNED: Route = ("GET", "/v1/checkpoint/cosigned")
SUCCESSION: Route = ("GET", "/v1/succession")
WITNESS_REPORT: Route = ("POST", "/v1/witness-report")
TLOG_CHECKPOINT: Route = ("GET", "/tlog/checkpoint")
# <level>/<three digits of the tile's number>…/<width of a partial tile>: up to 10^9 tiles.
TLOG_TILES: tuple[Route, ...] = (
    ("GET", "/tlog/tile/{level}/{a}"),
    ("GET", "/tlog/tile/{level}/{a}/{b}"),
    ("GET", "/tlog/tile/{level}/{a}/{b}/{c}"),
    ("GET", "/tlog/tile/{level}/{a}/{b}/{c}/{d}"),
)
POLICY: Route = ("GET", "/v1/policy")
LIVENESS: Route = ("GET", "/healthz")
READINESS: Route = ("GET", "/readyz")
METRICS: Route = ("GET", "/metrics")
OPENAPI: Route = ("GET", "/openapi.json")
EVENTS: Route = ("GET", "/v1/events")
EVALUATION: Route = ("POST", "/access/v1/evaluation")
EVALUATIONS: Route = ("POST", "/access/v1/evaluations")
AUTHZEN: Route = ("GET", "/.well-known/authzen-configuration")
BUNDLE: Route = ("GET", "/bundles/{name}")
STATUS: Route = ("POST", "/status")
STATUS_PARTITION: Route = ("POST", "/status/{partition}")
CHANGES: Route = ("GET", "/v1/changes")
CHANGE: Route = ("GET", "/v1/changes/{id}")
PROPOSE_CHANGE: Route = ("POST", "/v1/changes")
APPROVE_CHANGE: Route = ("POST", "/v1/changes/{id}/approve")
REJECT_CHANGE: Route = ("POST", "/v1/changes/{id}/reject")
PROTECT: Route = ("POST", "/v1/protections")
EXCEPTIONS: Route = ("GET", "/v1/exceptions")
PROPOSE_EXCEPTION: Route = ("POST", "/v1/exceptions")
REVOKE_EXCEPTION: Route = ("POST", "/v1/exceptions/{id}/revoke")
ROLLBACK: Route = ("POST", "/v1/rollback")
DEED: Route = ("POST", "/v1/deeds")
DUE: Route = ("GET", "/v1/deeds/due")
MATCH: Route = ("POST", "/v1/deeds/match")
HOLDS: Route = ("GET", "/v1/holds")
PLACE_HOLD: Route = ("POST", "/v1/holds")

_HEALTH = frozenset({LIVENESS, READINESS})
_EVIDENCE = frozenset({CHECKPOINT, CONSISTENCY, INCLUSION, HANDOVERS, COSIGNED, SUCCESSION})
_TLOG = frozenset({TLOG_CHECKPOINT, *TLOG_TILES})
_QUEUE = frozenset({CHANGES, CHANGE, EXCEPTIONS, DUE, HOLDS})
_PROPOSE = frozenset({PROPOSE_CHANGE, PROTECT, PROPOSE_EXCEPTION, DEED, MATCH})
_BACK = frozenset({REVOKE_EXCEPTION, ROLLBACK, PLACE_HOLD})
_OUTER = frozenset({EVALUATION, EVALUATIONS, AUTHZEN})

ALLOWED: Mapping[Role, frozenset[Route]] = MappingProxyType(
    {
        Role.COLLECTOR: _HEALTH
        | _EVIDENCE
        | _OUTER
        | {DECISIONS, LEDGER, POLICY, EVENTS, WITNESS_REPORT},
        Role.AUDITOR: _HEALTH | _EVIDENCE | _TLOG | _QUEUE | {POLICY, METRICS},
        Role.OPERATOR: _HEALTH
        | _EVIDENCE
        | _TLOG
        | _QUEUE
        | _PROPOSE
        | _BACK
        | {POLICY, METRICS, OPENAPI, EVENTS, AUTHZEN},
        Role.AUTHOR: _HEALTH | _QUEUE | _PROPOSE | _BACK | {POLICY, OPENAPI},
        Role.APPROVER: _HEALTH | _QUEUE | _BACK | {POLICY, OPENAPI, APPROVE_CHANGE, REJECT_CHANGE},
        Role.GATEWAY: _HEALTH,
        Role.ENGINE: _HEALTH | {BUNDLE, STATUS, STATUS_PARTITION, EVENTS},
    }
)


def is_allowed(role: Role, method: str, path_template: str) -> bool:
    """Whether `role` may call the route. Exact: `path_template` is the route's as it is declared,
    never the path as it was sent; a route that is not in the table is nobody's."""
    return (method, path_template) in ALLOWED[role]
