"""For other monitors: metrics, alert rules, a dashboard, and is-it-up."""

import yaml
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from chainwatch_collector.show import alerts
from chainwatch_collector.show.access import Settings, Viewer
from chainwatch_collector.show.api.params import ERRORS
from chainwatch_collector.show.metrics import CONTENT_TYPE, exposition

router = APIRouter(tags=["monitoring"], responses=ERRORS)
root = APIRouter(tags=["monitoring"], include_in_schema=False)


@root.get("/metrics")
async def get_metrics(scope: Viewer, settings: Settings) -> Response:
    """Prometheus text. The token is a viewer's: `authorization: {credentials_file: …}` in the scrape config."""
    return Response(exposition(scope, settings.version), media_type=CONTENT_TYPE)


@root.get("/healthz")
async def get_healthz() -> Response:
    """The process answers. Says nothing of what it watches."""
    return PlainTextResponse("ok\n")


@root.get("/readyz")
async def get_readyz(request: Request) -> Response:
    """200 when the collector can do its work, else 503; names of the parts only, so that nobody learns more."""
    checks = request.app.state.model.ready()
    ready = all(check.status != "error" for check in checks)
    parts = {check.name: check.status for check in checks}
    return JSONResponse({"ready": ready, "parts": parts}, status_code=200 if ready else 503)


@router.get("/alert-rules", response_class=Response, responses={200: {"content": {"application/yaml": {}}}})
async def get_alert_rules(scope: Viewer, settings: Settings) -> Response:
    """Prometheus alert rules, one for each code of the catalogue."""
    text = yaml.safe_dump(alerts.rules(scope.model.catalogue(), settings.external_url), sort_keys=False, width=200)
    return Response(text, media_type="application/yaml")


@router.get("/grafana-dashboard")
async def get_dashboard(_: Viewer) -> JSONResponse:
    """A Grafana dashboard to import."""
    return JSONResponse(alerts.dashboard())
