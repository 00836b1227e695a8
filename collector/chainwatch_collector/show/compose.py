"""From a scope to the bodies that all surfaces share. Sorting, counting and joining only: nothing is judged here."""

from collections import Counter
from collections.abc import Iterable, Sequence

from chainwatch_collector.judge.answer import Finding, SrAnswer
from chainwatch_collector.show.bodies import (
    Counts,
    FindingBody,
    HealthBody,
    PoolBody,
    SrBody,
    Status,
    StatusBody,
)
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.views import AgentView, Check, Mute, PoolView, SrView
from chainwatch_collector.words import EXIT_CODES, RANK, STATE_STATUS, plural

_UNSEEN = frozenset({"unknown"})
AGENT_RANK = {"silent": 0, "missing": 1, "behind": 2, "unassigned": 3, "revoked": 4, "reporting": 5}


def muted_by(finding: Finding, pool_uuid: str, mutes: Sequence[Mute]) -> Mute | None:
    """The mute that covers this finding: same code, and its subject, its SR, its pool or everything."""
    for mute in mutes:
        if mute.code != finding.code or mute.pool_uuid not in (None, pool_uuid):
            continue
        if mute.subject_uuid in (None, finding.subject.uuid, finding.sr_uuid, pool_uuid):
            return mute
    return None


def findings(scope: Scope) -> list[FindingBody]:
    """Every finding in sight, worst first; causes before what they cause, then the oldest."""
    names, mutes = scope.pool_names(), scope.mutes()
    bodies = [finding_body(found, pool, names.get(pool, pool), mutes) for pool, found in scope.findings()]
    bodies.sort(key=finding_key)
    return bodies


def finding_body(finding: Finding, pool_uuid: str, pool_name: str, mutes: Sequence[Mute]) -> FindingBody:
    return FindingBody(
        id=finding.id,
        because=tuple(finding.because),
        code=finding.code,
        severity=finding.severity,
        stale=finding.stale,
        subject=finding.subject,
        summary=finding.summary,
        since=finding.since,
        count=finding.count,
        evidence=tuple(finding.evidence),
        next=tuple(finding.next),
        pool_uuid=pool_uuid,
        pool_name=pool_name,
        sr_uuid=sr_of(finding),
        muted=muted_by(finding, pool_uuid, mutes),
    )


def sr_of(finding: Finding) -> str | None:
    """The SR a finding hangs on, where it has one."""
    return finding.subject.uuid if finding.subject.kind == "sr" else finding.sr_uuid


def finding_key(body: FindingBody) -> tuple[int | float | str, ...]:
    return (body.muted is not None, RANK[body.severity], bool(body.because), body.since.timestamp(), body.id)


def roots(bodies: Sequence[FindingBody]) -> list[FindingBody]:
    """Those that no other finding in the list causes: one incident each."""
    present = {body.id for body in bodies}
    return [body for body in bodies if not present.intersection(body.because)]


def choose(scope: Scope, code: str | None, severity: str | None, sr: str | None, root_only: bool) -> list[FindingBody]:
    """The findings in sight that fit every filter given. Raises `UnknownSubjectError` for an SR that is not there."""
    only = scope.find(sr, ("sr",)).uuid if sr else None
    bodies = findings(scope)
    return [
        body
        for body in (roots(bodies) if root_only else bodies)
        if code in (None, body.code) and severity in (None, body.severity) and only in (None, body.sr_uuid)
    ]


def effects_of(root: FindingBody, bodies: Sequence[FindingBody]) -> list[FindingBody]:
    """What hangs below a finding, directly or by way of others."""
    below, grew = {root.id}, True
    while grew:
        more = {body.id for body in bodies if body.id not in below and below.intersection(body.because)}
        grew, below = bool(more), below | more
    return [body for body in bodies if body.id in below and body.id != root.id]


def srs(scope: Scope, bodies: Sequence[FindingBody] | None = None, only: str | None = None) -> list[SrBody]:
    """Every SR in sight, worst first, then by name; `only`: this one."""
    names, views = scope.pool_names(), scope.model.srs()
    by_sr: dict[str, list[FindingBody]] = {}
    for body in findings(scope) if bodies is None else bodies:
        if body.sr_uuid is not None:
            by_sr.setdefault(body.sr_uuid, []).append(body)
    rows = []
    for pool_uuid, answer in scope.answers().items():
        for sr in answer.srs:
            if only not in (None, sr.uuid):
                continue
            rows.append(
                _sr_body(sr, pool_uuid, names.get(pool_uuid, pool_uuid), by_sr.get(sr.uuid, ()), views.get(sr.uuid))
            )
    rows.sort(key=sr_key)
    return rows


def sr_key(row: SrBody) -> tuple[int | float | str, ...]:
    """Worst first; among equals the ones with more findings, then by name."""
    return (RANK[row.status], -row.findings, row.name.lower(), row.uuid)


def _sr_body(sr: SrAnswer, pool_uuid: str, pool_name: str, found: Sequence[FindingBody], view: SrView | None) -> SrBody:
    open_ones = [body for body in found if body.muted is None]
    top = open_ones[0] if open_ones else None
    return SrBody(
        uuid=sr.uuid,
        name=sr.name,
        state=sr.state,
        depth_max=sr.depth_max,
        inner_pending=sr.inner_pending,
        leaf_pending=sr.leaf_pending,
        kept=sr.kept,
        blocked=sr.blocked,
        garbage=sr.garbage,
        free_ratio=sr.free_ratio,
        bytes_to_merge=sr.bytes_to_merge,
        eta_seconds=sr.eta_seconds,
        last_merge_at=sr.last_merge_at,
        pool_uuid=pool_uuid,
        pool_name=pool_name,
        status=sr_status(sr.state, open_ones),
        findings=len(open_ones),
        top_code=top.code if top else None,
        summary=top.summary if top else None,
        type=view.type if view else None,
        shared=view.shared if view else None,
        size_bytes=view.size_bytes if view else None,
        used_bytes=view.used_bytes if view else None,
        gc_host_uuid=view.gc_host_uuid if view else None,
        gc_host_name=view.gc_host_name if view else None,
    )


def sr_status(state: str, found: Sequence[FindingBody]) -> Status:
    """The findings decide; without one, an SR that nobody sees is unknown and everything else is fine."""
    statuses: list[Status] = ["unknown"] if STATE_STATUS.get(state, "unknown") == "unknown" else []
    return worst_status([*statuses, *(_severity_status(body) for body in found)])


def _severity_status(body: FindingBody) -> Status:
    return "ok" if body.severity == "info" else body.severity


def worst_status(statuses: Iterable[Status]) -> Status:
    return min(statuses, key=lambda status: RANK[status], default="ok")


def pool_bodies(scope: Scope, rows: Sequence[SrBody], bodies: Sequence[FindingBody]) -> list[PoolBody]:
    """The pools in sight, worst first. A pool without an answer yet is unknown."""
    answers = scope.answers()
    srs_of = Counter(row.pool_uuid for row in rows)
    result = []
    for pool in scope.pools():
        found = [body for body in bodies if body.pool_uuid == pool.uuid and body.muted is None]
        unseen: list[Status] = ["unknown"] if pool.uuid not in answers or not pool.reachable else []
        statuses = [row.status for row in rows if row.pool_uuid == pool.uuid]
        status = worst_status([*unseen, *statuses, *(_severity_status(body) for body in found)])
        result.append(PoolBody(pool, status, srs_of[pool.uuid], len(found)))
    result.sort(key=lambda body: (RANK[body.status], body.pool.name.lower(), body.pool.uuid))
    return result


def counts(rows: Sequence[SrBody], bodies: Sequence[FindingBody]) -> Counts:
    open_ones = [body for body in bodies if body.muted is None]
    severities = Counter(body.severity for body in open_ones)
    return Counts(
        error=severities["error"],
        warning=severities["warning"],
        info=severities["info"],
        muted=len(bodies) - len(open_ones),
        stale=sum(body.stale for body in open_ones),
        unknown_srs=sum(row.state in _UNSEEN for row in rows),
    )


def health(scope: Scope) -> HealthBody:
    """The whole, as `chainwatch health` and the overview say it."""
    bodies = findings(scope)
    return _health(scope, bodies, srs(scope, bodies))


def _health(scope: Scope, bodies: Sequence[FindingBody], rows: Sequence[SrBody]) -> HealthBody:
    pools = pool_bodies(scope, rows, bodies)
    tally = counts(rows, bodies)
    status: Status = worst_status(pool.status for pool in pools) if pools else "unknown"
    agents = scope.agents()
    return HealthBody(
        status=status,
        exit_code=EXIT_CODES[status],
        sentence=sentence(status, tally, [pool.pool for pool in pools], len(rows)),
        as_of=scope.model.now(),
        counts=tally,
        agents_reporting=sum(agent.state == "reporting" for agent in agents),
        agents_total=len(agents),
        pools=tuple(pools),
        findings=tuple(bodies),
        mutes=tuple(scope.mutes()),
        collector=_own_checks(scope),
    )


def _own_checks(scope: Scope) -> tuple[Check, ...]:
    """They may name any pool."""
    if scope.principal.pools is not None:
        return ()
    return tuple(check for check in scope.model.ready() if check.status != "ok")


def status_screen(scope: Scope, limit: int) -> StatusBody:
    """The whole at a glance; at most `limit` SRs, worst first."""
    bodies = findings(scope)
    rows = srs(scope, bodies)
    whole = _health(scope, bodies, rows)
    return StatusBody(
        status=whole.status,
        exit_code=whole.exit_code,
        sentence=whole.sentence,
        as_of=whole.as_of,
        counts=whole.counts,
        pools=whole.pools,
        srs=tuple(rows[:limit]),
        srs_total=len(rows),
        merges=tuple(merge for merge in scope.merges() if merge.ended_at is None),
        agents=tuple(sorted((one for one in scope.agents() if one.state != "reporting"), key=agent_key)[:50]),
        agents_reporting=whole.agents_reporting,
        agents_total=whole.agents_total,
        mutes=whole.mutes,
    )


def agent_key(agent: AgentView) -> tuple[int | str, ...]:
    """The ones to look after first."""
    return (AGENT_RANK[agent.state], agent.pool_name.lower(), agent.host_name.lower(), agent.host_uuid)


def sentence(status: Status, tally: Counts, pools: Sequence[PoolView], srs_seen: int) -> str:
    """One line that says how it is; the first thing on every surface."""
    if not pools:
        return "No pool is configured yet."
    unreachable = [pool.name for pool in pools if not pool.reachable]
    parts = [plural(tally.error, "error")] if tally.error else []
    parts += [plural(tally.warning, "warning")] if tally.warning else []
    parts += [f"{plural(tally.unknown_srs, 'SR')} unknown"] if tally.unknown_srs else []
    parts += [f"cannot reach {', '.join(unreachable[:3])}"] if unreachable else []
    parts += [f"{tally.muted} muted"] if tally.muted else []
    if status == "ok":
        head = f"Coalesce keeps up on {plural(srs_seen, 'SR')} in {plural(len(pools), 'pool')}"
        return f"{head} ({', '.join(parts)})." if parts else f"{head}."
    return f"{', '.join(parts) or 'no answer yet'}."
