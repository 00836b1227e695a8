"""Raw lines around a moment, in a browser: a form, and what the host's agent answers."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from chainwatch_collector.show.access import Operator
from chainwatch_collector.show.api.overview import agent_of
from chainwatch_collector.show.api.params import Named
from chainwatch_collector.show.api.raw import SMLOG, RawBody, answer
from chainwatch_collector.show.raw_lines import RawAnswer
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.web.render import Pages

router = APIRouter(include_in_schema=False)


@router.get("/agent/{host}/raw")
async def raw_form(request: Request, scope: Operator, host: Named) -> Response:
    return _page(request, scope, host, "", "", None)


@router.post("/agent/{host}/raw")
async def raw_lines(
    request: Request,
    scope: Operator,
    host: Named,
    around: Annotated[str, Form(min_length=1, max_length=40)],
    literal: Annotated[str, Form(max_length=256)] = "",
    log: Annotated[str, Form(pattern=r"^/var/log/[A-Za-z0-9._/-]{1,200}$")] = SMLOG,
) -> Response:
    body = RawBody(around=around, log=log, literals=[literal] if len(literal) >= 4 else [])
    found = await answer(scope, request.app.state.raw_lines, host, body)
    return _page(request, scope, host, around, literal, found)


def _page(request: Request, scope: Scope, host: str, around: str, literal: str, found: RawAnswer | None) -> Response:
    pages: Pages = request.app.state.pages
    agent = agent_of(scope, host)
    command = f"chainwatch events --raw --host {agent.host_uuid} --around {around or 'TIME'}"
    api = f"/api/v1/agent/{agent.host_uuid}"
    return pages.page(
        "raw.html", scope, api, command, agent=agent, around=around, literal=literal, found=found, log=SMLOG
    )
