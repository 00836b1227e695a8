"""Pools and agents as views: who is configured, who answers, whose agent reports."""

from datetime import datetime
from typing import Final

from chainwatch_collector.fold.assignment import UNASSIGNED
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.keep.rows import HostRow
from chainwatch_collector.live.board import Board, HostExtra
from chainwatch_collector.show.views import AgentState, AgentView, LogPosition, PoolView
from chainwatch_collector.track.state import HostState

UNASSIGNED_NAME: Final = "unassigned"
_STATE_OF_CODE: Final[dict[str, AgentState]] = {
    "AGENT_MISSING": "missing",
    "AGENT_SILENT": "silent",
    "AGENT_BEHIND": "behind",
    "AGENT_REVOKED": "revoked",
}


def pool_views(board: Board) -> list[PoolView]:
    """The configured pools by name, and the one of the hosts that are in none where there are such."""
    views = [_pool(board, uuid, picture) for uuid, picture in board.pictures.items()]
    views.sort(key=lambda view: (view.name.lower(), view.uuid))
    if board.has_unassigned():
        hosts = sum(1 for home in board.homes.values() if home == UNASSIGNED)
        at = board.judged_at.get(UNASSIGNED)
        views.append(PoolView(UNASSIGNED, UNASSIGNED_NAME, "", True, at, hosts, hosts))
    return views


def pool_name(board: Board, uuid: str | None) -> str:
    """As XenAPI has it; the uuid where XenAPI never told."""
    if uuid == UNASSIGNED:
        return UNASSIGNED_NAME
    picture = board.pictures.get(uuid or "")
    return picture.pool.name if picture is not None and picture.pool is not None else uuid or ""


def _pool(board: Board, uuid: str, picture: Picture) -> PoolView:
    pool = picture.pool
    master = picture.hosts.get(pool.master_ref or "") if pool is not None else None
    software = master.software if master is not None else {}
    words = (software.get("product_brand", ""), software.get("product_version", ""))
    return PoolView(
        uuid=uuid,
        name=pool_name(board, uuid),
        master_name=master.name if master is not None else "",
        reachable=picture.reachable,
        as_of=picture.as_of,
        hosts=len(picture.hosts),
        hosts_with_agent=sum(host.uuid in board.registered.hosts for host in picture.hosts.values()),
        problem=picture.problem or (None if picture.reachable else "it has not been asked yet"),
        software=" ".join(word for word in words if word),
    )


def agent_states(board: Board) -> dict[str, AgentState]:
    """Host uuid → its agent's state, of every pool's hosts and every host that has an agent.

    In the judge's own words where it has found something; else whether there is a stream.
    """
    found = {
        finding.subject.uuid: _STATE_OF_CODE[finding.code]
        for answer in board.answers.values()
        for finding in answer.findings
        if finding.code in _STATE_OF_CODE
    }
    states = {host.uuid: found.get(host.uuid, "missing") for p in board.pictures.values() for host in p.hosts.values()}
    for uuid, row in board.registered.hosts.items():
        home = board.pool_of(uuid)
        judged = found.get(uuid, "reporting" if row.stream_open or home in board.answers else "silent")
        if board.registered.extras.get(uuid, HostExtra()).revoked:
            # Somebody wanted it silent: that is what to know of it first.
            judged = "revoked"
        states[uuid] = "unassigned" if home == UNASSIGNED and judged != "revoked" else judged
    return states


def host_names(board: Board) -> dict[str, str]:
    """Host uuid → what XenAPI calls it."""
    return {host.uuid: host.name for picture in board.pictures.values() for host in picture.hosts.values()}


def agent_views(board: Board, now: datetime) -> list[AgentView]:
    """Every host of every pool and every host that has an agent, each once."""
    names = host_names(board)
    homes = {host.uuid: pool for pool, picture in board.pictures.items() for host in picture.hosts.values()}
    return [
        _agent(board, uuid, state, board.pool_of(uuid) or homes.get(uuid), names.get(uuid, ""), now)
        for uuid, state in agent_states(board).items()
    ]


def _agent(board: Board, uuid: str, agent: AgentState, pool: str | None, name: str, now: datetime) -> AgentView:
    row = board.registered.hosts.get(uuid)
    state = board.states.get(pool or "")
    host = state.hosts.get(uuid) if state is not None else None
    extra = board.registered.extras.get(uuid, HostExtra())
    status = host.status if host is not None else None
    counters = status.counters if status is not None else {}
    return AgentView(
        host_uuid=uuid,
        host_name=name or (row.hostname if row is not None else "") or uuid,
        pool_uuid=pool,
        pool_name=pool_name(board, pool),
        state=agent,
        last_seen_at=_last_seen(row, host),
        lag_seconds=_lag(host, now),
        version=row.agent_version if row is not None else "",
        python=row.python if row is not None else "",
        sm_version=row.sm_version if row is not None else "",
        connected_since=row.connected_at if row is not None and row.stream_open else None,
        certificate_expires_at=extra.certificate_expires_at,
        gaps=extra.gaps,
        dropped_total=(host.dropped_total if host is not None else 0) + (row.observations_lost if row else 0),
        lines_selected=int(counters.get("lines_selected_total", 0)),
        bytes_selected=int(counters.get("bytes_selected_total", 0)),
        bytes_read=int(counters.get("bytes_read_total", 0)),
        logs=_logs(host, extra),
        counters=counters,
        problems=status.problems if status is not None else (),
    )


def _last_seen(row: HostRow | None, host: HostState | None) -> datetime | None:
    known = (row.last_seen_at if row is not None else None, host.last_seen_at if host is not None else None)
    return max((at for at in known if at is not None), default=None)


def _lag(host: HostState | None, now: datetime) -> float | None:
    until = host.covered_until if host is not None else None
    return max(0.0, (now - until).total_seconds()) if until is not None else None


def _logs(host: HostState | None, extra: HostExtra) -> tuple[LogPosition, ...]:
    if host is None or host.status is None:
        return ()
    return tuple(extra.position(log.path, log.size_bytes, log.read_to, log.problem) for log in host.status.logs)
