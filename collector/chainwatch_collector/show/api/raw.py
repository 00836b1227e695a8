"""Raw lines of a host's logs, from its agent over its own stream: nobody needs ssh to read around a moment."""

from typing import Annotated, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from chainwatch_collector.show import raw_lines
from chainwatch_collector.show.access import Operator
from chainwatch_collector.show.api.enrolment import host_of
from chainwatch_collector.show.api.params import ERRORS, Named, moment
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.jsonable import Json
from chainwatch_collector.show.raw_lines import MAX_BYTES, RawAnswer, RawLines, RawRequest
from chainwatch_collector.show.scope import Scope

router = APIRouter(tags=["actions"], responses=ERRORS)

SMLOG: Final = "/var/log/SMlog"
Literals = Annotated[list[Annotated[str, Field(min_length=4, max_length=256)]], Field(max_length=64)]


class RawBody(BaseModel, extra="forbid"):
    """`around`: an ISO time, or an age such as 90m."""

    around: str = Field(min_length=1, max_length=40)
    log: str = Field(default=SMLOG, pattern=r"^/var/log/[A-Za-z0-9._/-]{1,200}$")
    literals: Literals = Field(default_factory=list)
    max_bytes: int = Field(default=MAX_BYTES, ge=1024, le=MAX_BYTES)


@router.post("/agent/{host}/evidence", response_model=RawAnswer)
async def ask_evidence(request: Request, scope: Operator, host: Named, body: RawBody) -> Json:
    """At most 1 MiB within 30 s, scrubbed. The agent's configuration can refuse; the audit log has who asked what."""
    return Json(await answer(scope, request.app.state.raw_lines, host, body))


async def answer(scope: Scope, source: RawLines | None, host: str, body: RawBody) -> RawAnswer:
    """Raises `ApiError`, `UnknownSubjectError`."""
    uuid, pool = host_of(scope, host)
    around = moment(body.around, scope.model.now(), "around")
    if around is None:
        raise ApiError(400, "bad_time", "around: a time is needed", "give 90m or 2026-11-22T07:48:00Z", "around")
    wanted = RawRequest(uuid, body.log, around, tuple(body.literals), body.max_bytes)
    return await raw_lines.ask(scope, source, wanted, pool)
