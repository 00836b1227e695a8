"""The HTTP application: REST, pages, metrics, health, over one read model behind one guard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse

from chainwatch_collector.rate import RateLimit
from chainwatch_collector.show import errors
from chainwatch_collector.show.access import Viewer
from chainwatch_collector.show.accounts import Accounts
from chainwatch_collector.show.api import accounts as account_routes
from chainwatch_collector.show.api import actions, findings, monitoring, overview, raw, srs, stream, subjects
from chainwatch_collector.show.api import enrolment as enrol_routes
from chainwatch_collector.show.api.params import ERRORS
from chainwatch_collector.show.body_limit import BodyLimit
from chainwatch_collector.show.enrolment import Enrolment
from chainwatch_collector.show.guard import Guard
from chainwatch_collector.show.model import ReadModel
from chainwatch_collector.show.raw_lines import RawLines
from chainwatch_collector.show.refusals import Refusals
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.show.web import assets, forms, pages, raw_page, sessions
from chainwatch_collector.show.web.render import Pages

API_PREFIX = "/api/v1"
TRIES_PER_MINUTE = 60.0
TRIES_AT_ONCE = 60
LOGINS_PER_MINUTE = 6.0
LOGINS_AT_ONCE = 10
DESCRIPTION = """The collector's answers. Fields and codes are only ever added within v1; a list is `{items, next}` and
`next` is the opaque cursor of the page behind it; every error is `{error: {status, code, message, hint, field}}`;
times are UTC with Z. Ignore fields that you do not know."""


def build_app(
    model: ReadModel,
    guard: Guard,
    settings: ShowSettings,
    enrolment: Enrolment | None = None,
    accounts: Accounts | None = None,
    raw_lines: RawLines | None = None,
) -> FastAPI:
    """Everything that is served over HTTP. Call `app.state.streams.close()` when the server is told to stop.

    `enrolment`, `accounts`, `raw_lines`: None where this collector enrolls no agents, keeps no accounts, no streams.
    """
    app = FastAPI(
        title="chainwatch",
        version=settings.version,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.model, app.state.guard, app.state.settings = model, guard, settings
    app.state.streams = stream.Streams()
    app.state.enrolment = enrolment
    app.state.accounts = accounts
    app.state.raw_lines = raw_lines
    app.state.logins = RateLimit(per_minute=LOGINS_PER_MINUTE, burst=LOGINS_AT_ONCE)
    app.state.tries = RateLimit(per_minute=TRIES_PER_MINUTE, burst=TRIES_AT_ONCE)
    errors.install(app, Refusals(model, accounts).note)
    app.add_middleware(BodyLimit)
    for module in (overview, srs, subjects, findings, actions, monitoring, stream, raw, enrol_routes, account_routes):
        app.include_router(module.router, prefix=API_PREFIX)
    app.include_router(_schema_route(app), prefix=API_PREFIX)
    app.include_router(monitoring.root)
    app.state.pages = Pages()
    app.state.error_page = app.state.pages.error
    app.state.to_login = sessions.to_login
    for module in (pages, forms, raw_page, sessions, assets):
        app.include_router(module.router)
    return app


def _schema_route(app: FastAPI) -> APIRouter:
    """The OpenAPI document behind the guard, like everything else."""
    router = APIRouter(tags=["meta"], responses=ERRORS)

    @router.get("/openapi.json", response_class=JSONResponse)
    async def get_openapi(_: Viewer) -> JSONResponse:
        """This API, described."""
        return JSONResponse(app.openapi())

    return router


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.loop = asyncio.get_running_loop()
    yield
    app.state.streams.close()
    await asyncio.sleep(0)
