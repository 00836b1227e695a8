"""What is read: one route per page. Each asks the same functions as its REST twin."""

import asyncio
import shlex
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from chainwatch_collector.show import compose, detail, rescan
from chainwatch_collector.show.access import Settings, Viewer
from chainwatch_collector.show.api.findings import explain
from chainwatch_collector.show.api.overview import agent_of
from chainwatch_collector.show.api.params import After, Named, Since, moment
from chainwatch_collector.show.api.subjects import events, task_key
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.scope import is_uuid
from chainwatch_collector.show.views import EventQuery, Explanation, Subject, UnknownSubjectError
from chainwatch_collector.show.web.chart_svg import chart, timeline
from chainwatch_collector.show.web.forest_svg import draw
from chainwatch_collector.show.web.render import Pages
from chainwatch_collector.words import percent, size

router = APIRouter(include_in_schema=False)

OVERVIEW_SRS: Final = 100
LIST_ROWS: Final = 300
EVENT_ROWS: Final = 100
HISTORY_DAYS: Final = 7
TRANSITION_DAYS: Final = 14

Text = Annotated[str, Query(max_length=4000)]
Filter = Annotated[str, Query(max_length=300)]


def pages_of(request: Request) -> Pages:
    pages: Pages = request.app.state.pages
    return pages


@router.get("/")
async def overview(request: Request, scope: Viewer) -> Response:
    screen = compose.status_screen(scope, OVERVIEW_SRS)
    bodies = compose.findings(scope)
    incidents = [body for body in compose.roots(bodies) if body.severity != "info" and body.muted is None]
    effects = {body.id: len(compose.effects_of(body, bodies)) for body in incidents[:20]}
    more = {"screen": screen, "incidents": incidents, "effects": effects}
    return pages_of(request).page("overview.html", scope, "/api/v1/status", "chainwatch status", **more)


@router.get("/sr/{sr}")
async def sr_page(request: Request, scope: Viewer, settings: Settings, sr: Named) -> Response:
    subject = scope.find(sr, ("sr",))
    body = detail.sr(scope, subject)
    now = scope.model.now()
    points, forecasts = await asyncio.gather(
        scope.model.history(subject, now - timedelta(days=HISTORY_DAYS), now), scope.model.forecasts(subject)
    )
    forest = scope.model.forest(subject)
    charts = [
        chart("free space", points, lambda point: point.free_ratio, percent),
        chart("to merge", points, lambda point: point.to_merge_bytes, size),
        chart("deepest chain", points, lambda point: point.depth_max, lambda value: f"{value or 0:.0f}"),
    ]
    return pages_of(request).page(
        "sr.html",
        scope,
        f"/api/v1/sr/{subject.uuid}",
        f"chainwatch sr {_word(subject.name)}",
        body=body,
        why=detail.why(scope, subject),
        forest=forest,
        drawing=draw(forest.nodes, forest.limit_depth),
        charts=[one for one in charts if one is not None],
        timeline=timeline(body.runs, now),
        forecasts=forecasts,
        plan=rescan.preview(scope, settings, subject),
        rescans=await scope.model.rescans(subject, 5),
    )


@router.get("/vm/{vm}")
async def vm_page(request: Request, scope: Viewer, vm: Named) -> Response:
    subject = scope.find(vm, ("vm",))
    body = detail.vm(scope, subject)
    nodes = {node.uuid: node for node in body.disks}
    command = f"chainwatch verdict {_word(subject.name)}"
    return pages_of(request).page("vm.html", scope, f"/api/v1/vm/{subject.uuid}", command, body=body, nodes=nodes)


@router.get("/vms")
async def vms_page(request: Request, scope: Viewer) -> Response:
    found = detail.verdicts(scope)
    return pages_of(request).page(
        "vms.html", scope, "/api/v1/verdict", "chainwatch verdict", found=found[:LIST_ROWS], total=len(found)
    )


@router.get("/vdi/{vdi}")
async def vdi_page(request: Request, scope: Viewer, vdi: Named) -> Response:
    try:
        subject = scope.find(vdi, ("vdi",))
    except UnknownSubjectError as error:
        if error.candidates or not is_uuid(vdi):
            raise
        return await _gone_page(request, scope, vdi.lower())
    forest = scope.model.forest(subject)
    return pages_of(request).page(
        "vdi.html",
        scope,
        f"/api/v1/chain/{subject.uuid}",
        f"chainwatch chain tree {subject.uuid}",
        subject=subject,
        why=detail.why(scope, subject),
        forest=forest,
        drawing=draw(forest.nodes, forest.limit_depth),
        node=next((node for node in forest.nodes if node.uuid == subject.uuid), None),
    )


async def _gone_page(request: Request, scope: Viewer, uuid: str) -> Response:
    """A VDI that was merged or deleted: what the logs said of it is all that is left."""
    found = await events(scope, EventQuery(vdi_uuid=uuid, limit=EVENT_ROWS))
    api, command = f"/api/v1/events?vdi={uuid}", f"chainwatch events --vdi {uuid}"
    response = pages_of(request).page("gone.html", scope, api, command, uuid=uuid, found=found)
    response.status_code = 404
    return response


@router.get("/findings")
async def findings_page(
    request: Request, scope: Viewer, code: Filter = "", severity: Filter = "", since: Since = None
) -> Response:
    now = scope.model.now()
    start = moment(since, now, "since") or now - timedelta(days=TRANSITION_DAYS)
    moves = await scope.model.transitions(None, start, EVENT_ROWS)
    bodies = compose.findings(scope)
    chosen = [body for body in bodies if code in ("", body.code) and severity in ("", body.severity)]
    return pages_of(request).page(
        "findings.html",
        scope,
        "/api/v1/findings",
        "chainwatch health --detail",
        found=[body for body in chosen if body.muted is None][:LIST_ROWS],
        muted=[body for body in chosen if body.muted is not None][:LIST_ROWS],
        total=len(chosen),
        mutes=scope.mutes(),
        history=[move for move in moves if scope.sees(move.subject.pool_uuid)],
        codes=sorted({body.code for body in bodies}),
        code=code,
        severity=severity,
    )


@router.get("/finding/{finding_id}")
async def finding_page(request: Request, scope: Viewer, finding_id: Named) -> Response:
    body = await detail.finding(scope, finding_id)
    entry = scope.model.catalogue().get(body.finding.code)
    command = f"chainwatch why {_word(body.finding.subject.name)}"
    api = f"/api/v1/finding/{quote(finding_id, safe='')}"
    return pages_of(request).page("finding.html", scope, api, command, body=body, entry=entry)


@router.get("/agents")
async def agents_page(request: Request, scope: Viewer) -> Response:
    agents = sorted(scope.agents(), key=compose.agent_key)
    return pages_of(request).page(
        "agents.html", scope, "/api/v1/agents", "chainwatch agent list", agents=agents[:LIST_ROWS], total=len(agents)
    )


@router.get("/agent/{host}")
async def agent_page(request: Request, scope: Viewer, host: Named) -> Response:
    agent = agent_of(scope, host)
    found = [body for body in compose.findings(scope) if body.subject.uuid == agent.host_uuid]
    api, command = f"/api/v1/agent/{agent.host_uuid}", f"chainwatch agent show {_word(agent.host_name)}"
    return pages_of(request).page("agent.html", scope, api, command, agent=agent, found=found)


@router.get("/tasks")
async def tasks_page(request: Request, scope: Viewer) -> Response:
    tasks = sorted(scope.tasks(), key=task_key)[:LIST_ROWS]
    return pages_of(request).page("tasks.html", scope, "/api/v1/tasks", "chainwatch tasks", tasks=tasks)


@router.get("/events")
async def events_page(
    request: Request,
    scope: Viewer,
    sr: Filter = "",
    vdi: Filter = "",
    host: Filter = "",
    kind: Filter = "",
    grep: Filter = "",
    since: Filter = "",
    after: After = None,
) -> Response:
    query = EventQuery(
        since=moment(since or None, scope.model.now(), "since"),
        sr_uuid=scope.uuid_of(sr, ("sr",)) if sr else None,
        vdi_uuid=scope.uuid_of(vdi, ("vdi",)) if vdi else None,
        host_uuid=scope.find(host, ("host", "agent")).uuid if host else None,
        kind=kind or None,
        grep=grep or None,
        limit=EVENT_ROWS,
        after=after or None,
    )
    wanted = {"sr": sr, "vdi": vdi, "host": host, "kind": kind, "grep": grep, "since": since}
    given = {key: value for key, value in wanted.items() if value}
    options = " ".join(f"--{key} {_word(value)}" for key, value in given.items())
    text = "&".join(f"{key}={quote(value, safe='')}" for key, value in given.items())
    return pages_of(request).page(
        "events.html",
        scope,
        f"/api/v1/events?{text}",
        f"chainwatch events {options}".strip(),
        found=await events(scope, query),
        wanted=wanted,
        query=text,
    )


@router.get("/codes")
async def codes_page(request: Request, scope: Viewer, text: Text = "") -> Response:
    result = explain(scope, text) if text.strip() else None
    entries = [entry for _, entry in sorted(scope.model.catalogue().items())]
    command = f"chainwatch explain {_word(text)}" if text.strip() else "chainwatch explain codes"
    api = f"/api/v1/explain?text={quote(text, safe='')}" if text.strip() else "/api/v1/codes"
    return pages_of(request).page("codes.html", scope, api, command, entries=entries, text=text, result=result)


@router.get("/codes/{code}")
async def code_page(request: Request, scope: Viewer, code: Named) -> Response:
    entry = _entry(scope, code)
    found = [body for body in compose.findings(scope) if body.code == entry.code]
    api, command = f"/api/v1/explain?text={entry.code}", f"chainwatch explain {entry.code}"
    return pages_of(request).page("code.html", scope, api, command, entry=entry, found=found)


def _entry(scope: Viewer, code: str) -> Explanation:
    entry = scope.model.catalogue().get(code.upper())
    if entry is None:
        raise ApiError(404, "not_found", f"{code!r} is no health code", "all of them are at /codes")
    return entry


@router.get("/find")
async def find_page(scope: Viewer, q: Filter = "") -> Response:
    """The search field: a code or a message goes to its explanation, anything else to its page."""
    text = q.strip()
    if not text:
        return RedirectResponse("/", status_code=303)
    if text.upper() in scope.model.catalogue():
        return RedirectResponse(f"/codes/{text.upper()}", status_code=303)
    if len(text.split()) > 3 or "(" in text:
        return RedirectResponse(f"/codes?text={quote(text, safe='')}", status_code=303)
    return RedirectResponse(page_of(scope.find(text)), status_code=303)


def page_of(subject: Subject) -> str:
    """Where a subject has its page."""
    place = {"sr": "sr", "vm": "vm", "vdi": "vdi", "host": "agent", "agent": "agent"}.get(subject.kind)
    return f"/{place}/{quote(subject.uuid, safe='')}" if place else "/"


def _word(text: str) -> str:
    """A name as a shell takes it."""
    return shlex.quote(text)
