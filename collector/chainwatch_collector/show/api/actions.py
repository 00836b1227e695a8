"""The one careful action, what it did, the audit log, and the report for a storage engineer."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from chainwatch_collector.show import rescan
from chainwatch_collector.show.access import Admin, Operator, Settings, Viewer
from chainwatch_collector.show.api.params import ERRORS, Limit, Named, Since, moment
from chainwatch_collector.show.bodies import AuditList, RescanList
from chainwatch_collector.show.jsonable import Json
from chainwatch_collector.show.report import report_text
from chainwatch_collector.show.views import Rescan

router = APIRouter(tags=["actions"], responses=ERRORS)

Word = Annotated[str | None, Query(max_length=300)]


@router.post("/sr/{sr}/rescan", response_model=Rescan, status_code=202)
async def start_rescan(scope: Operator, settings: Settings, sr: Named) -> Json:
    """Ask SM to scan the SR. Refused, with the reason, unless every precheck is ok. Always audited."""
    return Json(await rescan.ask(scope, settings, scope.find(sr, ("sr",))), status_code=202)


@router.get("/sr/{sr}/rescan", response_model=Rescan)
async def preview_rescan(scope: Viewer, settings: Settings, sr: Named) -> Json:
    """The prechecks of a rescan as they stand; nothing is asked for."""
    return Json(rescan.preview(scope, settings, scope.find(sr, ("sr",))))


@router.get("/rescans", response_model=RescanList)
async def list_rescans(
    scope: Viewer, limit: Limit = 50, sr: Annotated[str | None, Query(max_length=300)] = None
) -> Json:
    """Rescans that were asked for, newest first, and what came of them."""
    subject = scope.find(sr, ("sr",)) if sr else None
    found = await scope.model.rescans(subject, limit)
    return Json(RescanList(tuple(one for one in found if scope.sees(one.sr.pool_uuid))))


@router.get("/audit", response_model=AuditList)
async def list_audit(
    scope: Admin,
    since: Since = "30d",
    limit: Limit = 200,
    who: Word = None,
    what: Word = None,
    subject: Word = None,
    outcome: Word = None,
) -> Json:
    """Who changed or tried to change what; newest first."""
    now = scope.model.now()
    start = moment(since or "30d", now, "since") or now - timedelta(days=30)
    wanted = {"who": who, "what": what, "subject": subject, "outcome": outcome}
    filters = {key: value for key, value in wanted.items() if value is not None}
    found = await scope.model.audit(start, limit, filters, scope.reach)
    return Json(AuditList(tuple(found)))


@router.get("/report/{sr}", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def get_report(scope: Viewer, sr: Named) -> Response:
    """One redacted text with everything a storage engineer would ask for."""
    subject = scope.find(sr, ("sr",))
    text = await report_text(scope, subject)
    name = f"chainwatch-report-{subject.uuid[:8]}.txt"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)
