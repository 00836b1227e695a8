"""Findings with their history, mutes, the catalogue and pasted messages."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from chainwatch_collector.show import compose, detail
from chainwatch_collector.show.access import Operator, Viewer
from chainwatch_collector.show.api.params import ERRORS, After, Limit, Named, SeverityFilter, Since, Text, moment
from chainwatch_collector.show.bodies import (
    CodeList,
    ExplainBody,
    FindingDetailBody,
    FindingList,
    MuteList,
    TransitionList,
)
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.guard import RefusedError
from chainwatch_collector.show.jsonable import Json
from chainwatch_collector.show.paging import page
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.views import Mute, MuteRequest, UnknownSubjectError

router = APIRouter(tags=["findings"], responses=ERRORS)

MAX_MUTE_SECONDS: Final = 90 * 86400


class MuteBody(BaseModel, extra="forbid"):
    """A mute: always of one code, always for a while, always with a reason."""

    code: str = Field(min_length=1, max_length=60)
    seconds: int = Field(ge=60, le=MAX_MUTE_SECONDS)
    reason: str = Field(min_length=1, max_length=300)
    subject: str | None = Field(default=None, min_length=1, max_length=300)
    sticky: bool = False


@router.get("/findings", response_model=FindingList)
async def list_findings(
    scope: Viewer,
    limit: Limit = 200,
    after: After = None,
    code: Annotated[str | None, Query(max_length=60, description="only this health code")] = None,
    severity: SeverityFilter = None,
    sr: Annotated[str | None, Query(max_length=300, description="only on this SR and what is in it")] = None,
    root: Annotated[bool, Query(description="only those that no other finding causes")] = False,
) -> Json:
    """What is wrong now, worst first. Healed findings are in `/transitions`."""
    chosen = compose.choose(scope, code, severity, sr, root)
    return Json(page(chosen, compose.finding_key, limit, after))


@router.get("/finding/{finding_id}", response_model=FindingDetailBody)
async def get_finding(scope: Viewer, finding_id: Named) -> Json:
    """One finding with its causes, effects and history."""
    return Json(await detail.finding(scope, finding_id))


@router.get("/transitions", response_model=TransitionList)
async def list_transitions(
    scope: Viewer, limit: Limit = 100, since: Since = "7d", subject: Annotated[str | None, Query(max_length=300)] = None
) -> Json:
    """What was raised, got worse or better, and cleared; newest first."""
    return Json(await transitions(scope, since, limit, subject))


async def transitions(scope: Scope, since: str | None, limit: int, subject: str | None = None) -> TransitionList:
    found = scope.find(subject) if subject else None
    now = scope.model.now()
    moves = await scope.model.transitions(found, moment(since or "7d", now, "since") or now, limit)
    return TransitionList(tuple(move for move in moves if scope.sees(move.subject.pool_uuid)))


@router.get("/mutes", response_model=MuteList)
async def list_mutes(scope: Viewer) -> Json:
    """The mutes in force."""
    return Json(MuteList(tuple(sorted(scope.mutes(), key=lambda mute: (mute.until, mute.id)))))


@router.post("/mutes", response_model=Mute, status_code=201)
async def create_mute(scope: Operator, body: MuteBody) -> Json:
    """Silence a code. It ends by itself, when the finding clears, and unless sticky when it gets worse."""
    return Json(await mute(scope, body), status_code=201)


async def mute(scope: Scope, body: MuteBody) -> Mute:
    """Raises `ApiError` for a code that is not in the catalogue, `RefusedError` (403) for a mute wider than the
    asker's pools."""
    if body.code not in scope.model.catalogue():
        raise ApiError(422, "invalid", f"code: {body.code!r} is no health code", "see /codes", "code")
    subject = scope.find(body.subject) if body.subject else None
    if subject is None and scope.principal.pools is not None:
        raise RefusedError(403, "your token reaches single pools only", "name a pool or SR as the subject")
    until = _until(scope.model.now(), body.seconds)
    request = MuteRequest(body.code, subject, until, body.reason, body.sticky)
    return await scope.model.mute(request, scope.principal.name)


def _until(now: datetime, seconds: int) -> datetime:
    return (now + timedelta(seconds=seconds)).astimezone(UTC)


@router.delete("/mute/{mute_id}", response_model=Mute)
async def delete_mute(scope: Operator, mute_id: Named) -> Json:
    """End a mute."""
    return Json(await unmute(scope, mute_id))


async def unmute(scope: Scope, mute_id: str) -> Mute:
    """The mute that was ended. Raises `UnknownSubjectError`, `RefusedError` (403) for one wider than the asker."""
    for one in scope.mutes():
        if one.id == mute_id:
            if not scope.principal.sees(one.pool_uuid):
                raise RefusedError(403, "this mute covers pools that you do not see", "ask an administrator")
            await scope.model.unmute(mute_id, scope.principal.name)
            return one
    raise UnknownSubjectError(mute_id)


@router.get("/codes", response_model=CodeList)
async def list_codes(scope: Viewer) -> Json:
    """The catalogue of health codes."""
    return Json(CodeList(tuple(entry for _, entry in sorted(scope.model.catalogue().items()))))


@router.get("/explain", response_model=ExplainBody)
async def explain_text(scope: Viewer, text: Text) -> Json:
    """What a health code or any pasted message means, what to do, and whether you have it now."""
    return Json(explain(scope, text))


def explain(scope: Scope, text: str) -> ExplainBody:
    entries = tuple(scope.model.explain(text))
    codes = {entry.code for entry in entries}
    found = tuple(body for body in compose.findings(scope) if body.code in codes)
    return ExplainBody(text, entries, found)
