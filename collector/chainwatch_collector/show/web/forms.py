"""What is changed from a page: mute, unmute, rescan. A form, then back to the page it stood on."""

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from chainwatch_collector.show import rescan
from chainwatch_collector.show.access import Operator, Settings
from chainwatch_collector.show.api.findings import MuteBody, mute, unmute
from chainwatch_collector.show.api.params import Named

router = APIRouter(include_in_schema=False)

SECONDS_PER_HOUR = 3600


@router.post("/mutes")
async def mute_form(
    scope: Operator,
    code: Annotated[str, Form(min_length=1, max_length=60)],
    hours: Annotated[int, Form(ge=1, le=2160)],
    reason: Annotated[str, Form(min_length=1, max_length=300)],
    subject: Annotated[str, Form(max_length=300)] = "",
    sticky: Annotated[bool, Form()] = False,
) -> Response:
    body = MuteBody(code=code, seconds=hours * SECONDS_PER_HOUR, reason=reason, subject=subject or None, sticky=sticky)
    await mute(scope, body)
    return RedirectResponse("/findings#mutes", status_code=303)


@router.post("/mutes/{mute_id}/end")
async def unmute_form(scope: Operator, mute_id: Named) -> Response:
    await unmute(scope, mute_id)
    return RedirectResponse("/findings#mutes", status_code=303)


@router.post("/sr/{sr}/rescan")
async def rescan_form(scope: Operator, settings: Settings, sr: Named) -> Response:
    subject = scope.find(sr, ("sr",))
    await rescan.ask(scope, settings, subject)
    return RedirectResponse(f"/sr/{subject.uuid}#rescan", status_code=303)
