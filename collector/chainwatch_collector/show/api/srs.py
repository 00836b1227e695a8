"""Storage repositories, chains and merges."""

from typing import Annotated

from fastapi import APIRouter, Query

from chainwatch_collector.show import compose, detail
from chainwatch_collector.show.access import Viewer
from chainwatch_collector.show.api.params import ERRORS, After, Limit, Named, Since, moment
from chainwatch_collector.show.bodies import ChainBody, ChainList, HistoryBody, MergeList, SrDetailBody, SrList
from chainwatch_collector.show.jsonable import Json
from chainwatch_collector.show.paging import page
from chainwatch_collector.show.views import Subject

router = APIRouter(tags=["storage"], responses=ERRORS)


@router.get("/srs", response_model=SrList)
async def list_srs(
    scope: Viewer,
    limit: Limit = 1000,
    after: After = None,
    state: Annotated[str | None, Query(max_length=20, description="only SRs in this coalesce state")] = None,
) -> Json:
    """The storage repositories, worst first."""
    rows = [row for row in compose.srs(scope) if state in (None, row.state)]
    return Json(page(rows, compose.sr_key, limit, after))


@router.get("/sr/{sr}", response_model=SrDetailBody)
async def get_sr(scope: Viewer, sr: Named) -> Json:
    """One SR: its state in a sentence, findings, merges, runs."""
    return Json(detail.sr(scope, scope.find(sr, ("sr",))))


@router.get("/chain/{subject}", response_model=ChainBody)
async def get_chain(scope: Viewer, subject: Named) -> Json:
    """The forest of an SR, or the tree that a VDI is in, parents first."""
    found = scope.find(subject, ("vdi", "sr"))
    return Json(ChainBody(found, scope.model.forest(found)))


@router.get("/chains", response_model=ChainList)
async def list_chains(
    scope: Viewer,
    limit: Limit = 100,
    after: After = None,
    sr: Annotated[str | None, Query(max_length=300, description="only this SR")] = None,
    deeper_than: Annotated[int, Query(ge=0, le=1000, description="only chains with more nodes than this")] = 0,
) -> Json:
    """The chains' ends, deepest first."""
    only = scope.find(sr, ("sr",)).uuid if sr else None
    return Json(page(detail.chains(scope, only, deeper_than), detail.chain_key, limit, after))


@router.get("/merges", response_model=MergeList)
async def list_merges(
    scope: Viewer,
    limit: Limit = 100,
    after: After = None,
    sr: Annotated[str | None, Query(max_length=300, description="only this SR")] = None,
    running: Annotated[bool, Query(description="only those that run now")] = False,
) -> Json:
    """Merges running now, and those of the last day."""
    only = scope.find(sr, ("sr",)).uuid if sr else None
    chosen = [one for one in scope.merges() if only in (None, one.sr_uuid) and (not running or one.ended_at is None)]
    found = page(chosen, detail.merge_key, limit, after)
    return Json(MergeList(found.items, scope.model.now(), found.next))


@router.get("/history/{subject}", response_model=HistoryBody)
async def get_history(scope: Viewer, subject: Named, since: Since = "7d", until: Since = None) -> Json:
    """Samples of an SR or a chain: depth, backlog, free space, merge rate."""
    found = scope.find(subject, ("sr", "vdi"))
    return Json(await history(scope, found, since, until))


async def history(scope: Viewer, subject: Subject, since: str | None, until: str | None) -> HistoryBody:
    now = scope.model.now()
    start, end = moment(since or "7d", now, "since"), moment(until, now, "until")
    points = await scope.model.history(subject, start or now, end or now)
    return HistoryBody(subject, tuple(points))
