"""Health, pools and agents: the whole at a glance."""

from typing import Annotated

from fastapi import APIRouter, Query

from chainwatch_collector.show import compose
from chainwatch_collector.show.access import Viewer
from chainwatch_collector.show.api.params import ERRORS, After, Limit, Named
from chainwatch_collector.show.bodies import AgentList, HealthBody, PoolList, StatusBody
from chainwatch_collector.show.jsonable import Json
from chainwatch_collector.show.paging import page
from chainwatch_collector.show.views import AgentState, AgentView, UnknownSubjectError

router = APIRouter(tags=["overview"], responses=ERRORS)


@router.get("/health", response_model=HealthBody)
async def get_health(scope: Viewer) -> Json:
    """The worst of everything in sight, the findings behind it, and the exit code of `chainwatch health`."""
    return Json(compose.health(scope))


@router.get("/status", response_model=StatusBody)
async def get_status(scope: Viewer, limit: Limit = 20) -> Json:
    """One screen: pools, the worst SRs, running merges, agents to look after, mutes."""
    return Json(compose.status_screen(scope, limit))


@router.get("/pools", response_model=PoolList)
async def list_pools(scope: Viewer) -> Json:
    """The pools, worst first."""
    bodies = compose.findings(scope)
    return Json(PoolList(tuple(compose.pool_bodies(scope, compose.srs(scope, bodies), bodies))))


@router.get("/agents", response_model=AgentList)
async def list_agents(
    scope: Viewer,
    limit: Limit = 200,
    after: After = None,
    state: Annotated[AgentState | None, Query(description="only agents in this state")] = None,
) -> Json:
    """Every dom0, with an agent or without; the ones to look after first."""
    chosen = [agent for agent in scope.agents() if state in (None, agent.state)]
    found = page(chosen, compose.agent_key, limit, after)
    return Json(AgentList(found.items, scope.model.now(), found.next))


@router.get("/agent/{host}", response_model=AgentView)
async def get_agent(scope: Viewer, host: Named) -> Json:
    """One dom0 by host name or uuid."""
    return Json(agent_of(scope, host))


def agent_of(scope: Viewer, host: str) -> AgentView:
    """The agent of a host in sight. Raises `UnknownSubjectError`."""
    for agent in scope.agents():
        if host in (agent.host_uuid, agent.host_name):
            return agent
    uuid = scope.find(host, ("host", "agent")).uuid
    for agent in scope.agents():
        if agent.host_uuid == uuid:
            return agent
    raise UnknownSubjectError(host)
