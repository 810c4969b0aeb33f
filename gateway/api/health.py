"""GET /healthz, /readyz and /metrics."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from gateway.api.metrics import CONTENT_TYPE, Metrics

Check = Callable[[], Awaitable[str | None]]


Notes = Callable[[], Mapping[str, str]]


def health_router(checks: Mapping[str, Check], metrics: Metrics, notes: Notes = dict) -> APIRouter:
    """`checks` maps `engine`, `log`, `keys`, `bundle` to None or the cause of not being ready;
    `notes()` gives what is wrong and stops no verdict, by name."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="The process is alive")
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @router.get("/readyz", summary="Verdicts can be given; 503 names what is missing")
    async def readyz() -> Response:
        causes = {name: cause for name, check in checks.items() if (cause := await check())}
        metrics.ready.set(0 if causes else 1)
        body: dict[str, object] = {"status": "not ready" if causes else "ready", "causes": causes}
        if told := notes():
            body["notes"] = dict(told)
        return JSONResponse(body, status_code=503 if causes else 200)

    @router.get("/metrics", summary="Prometheus exposition")
    async def exposition() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return router
