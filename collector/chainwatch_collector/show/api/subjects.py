"""Questions about one thing: why, may it be snapshot, when does it break; and the evidence."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from chainwatch_collector.show import detail
from chainwatch_collector.show.access import Viewer
from chainwatch_collector.show.api.params import ERRORS, After, Limit, Named, Since, SubjectText, moment
from chainwatch_collector.show.bodies import EventList, ForecastList, TaskList, VerdictList, VmBody, WhyBody
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.jsonable import Json
from chainwatch_collector.show.paging import page
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.views import Event, EventQuery, Page, TaskView

router = APIRouter(tags=["subjects"], responses=ERRORS)

Name = Annotated[str | None, Query(max_length=300, description="name or uuid")]


@router.get("/why", response_model=WhyBody)
async def get_why(scope: Viewer, subject: SubjectText) -> Json:
    """The troubleshooting page of an SR, a VDI, a VM, a host or a pool, executed: answer, checks, evidence, steps."""
    return Json(detail.why(scope, scope.find(subject)))


@router.get("/verdict", response_model=VerdictList)
async def list_verdicts(
    scope: Viewer,
    vm: Name = None,
    answer: Annotated[Literal["ok", "at_risk", "refused", "unknown"] | None, Query()] = None,
    job: Annotated[str | None, Query(max_length=300, description="a backup job's name or id: only its VMs")] = None,
    limit: Limit = 200,
    after: After = None,
) -> Json:
    """May these VMs be snapshot and backed up now; refused ones first. With a job also whether its window has room."""
    if job is not None:
        return Json(detail.job_verdicts(scope, job))
    if vm is not None:
        return Json(VerdictList((detail.verdict(scope, scope.find(vm, ("vm",)))[1],)))
    found = [one for _, one in detail.verdicts(scope) if answer is None or answer in (one.snapshot, one.backup)]
    return Json(page(found, detail.verdict_key, limit, after))


@router.get("/vm/{vm}", response_model=VmBody)
async def get_vm(scope: Viewer, vm: Named) -> Json:
    """One VM: its verdict, its disks, and what is wrong with them."""
    return Json(detail.vm(scope, scope.find(vm, ("vm",))))


@router.get("/forecast", response_model=ForecastList)
async def list_forecasts(scope: Viewer, subject: Name = None) -> Json:
    """When a chain reaches its limit, an SR fills, a backlog clears; soonest first."""
    found = await scope.model.forecasts(scope.find(subject) if subject else None)
    seen = [one for one in found if scope.sees(one.subject.pool_uuid)]
    seen.sort(key=lambda one: (one.at is None, one.at.timestamp() if one.at else 0.0, one.subject.name))
    return Json(ForecastList(tuple(seen)))


@router.get("/tasks", response_model=TaskList)
async def list_tasks(
    scope: Viewer,
    limit: Limit = 200,
    after: After = None,
    moving: Annotated[bool | None, Query(description="true: those that move; false: those that do not")] = None,
) -> Json:
    """XenAPI tasks of all pools and whether they move; the ones that do not first."""
    chosen = [task for task in scope.tasks() if moving in (None, task.moving)]
    found = page(chosen, task_key, limit, after)
    return Json(TaskList(found.items, scope.model.now(), found.next))


def task_key(task: TaskView) -> tuple[int | float | str, ...]:
    return ({False: 0, None: 1, True: 2}[task.moving], task.created_at.timestamp(), task.uuid)


@router.get("/events", response_model=EventList)
async def list_events(
    scope: Viewer,
    sr: Name = None,
    vdi: Name = None,
    host: Name = None,
    kind: Annotated[str | None, Query(max_length=60, description="a fact's name, or unknown")] = None,
    grep: Annotated[str | None, Query(min_length=2, max_length=200, description="a text in the line, any case")] = None,
    since: Since = None,
    until: Since = None,
    order: Annotated[Literal["newest", "oldest"], Query()] = "newest",
    limit: Limit = 100,
    after: After = None,
) -> Json:
    """The evidence: log lines and what they mean."""
    now = scope.model.now()
    start, end = moment(since, now, "since"), moment(until, now, "until")
    if start and end and start > end:
        raise ApiError(400, "bad_time", "since is after until", "swap them", "since")
    query = EventQuery(
        since=start,
        until=end,
        pool_uuid=scope.pool,
        sr_uuid=scope.uuid_of(sr, ("sr",)) if sr else None,
        vdi_uuid=scope.uuid_of(vdi, ("vdi",)) if vdi else None,
        host_uuid=scope.find(host, ("host", "agent")).uuid if host else None,
        kind=kind,
        grep=grep,
        ascending=order == "oldest",
        limit=limit,
        after=after,
    )
    return Json(await events(scope, query))


async def events(scope: Scope, query: EventQuery) -> Page[Event]:
    """A page of events; what the asker may not see is left out, so a page may be short while `next` goes on."""
    pools = scope.principal.pools
    if query.pool_uuid is None and pools is not None and len(pools) == 1:
        query = replace(query, pool_uuid=min(pools))
    found = await scope.model.events(query)
    return Page(tuple(event for event in found.items if scope.sees(event.pool_uuid)), found.next)
