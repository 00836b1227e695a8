"""A read model in memory: holds what it is given, filters and pages as the live one does, and publishes."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from chainwatch_collector.judge.answer import Answer, Evidence
from chainwatch_collector.show.changes import ChangeHub, Subscription
from chainwatch_collector.show.model import NO_FILTERS
from chainwatch_collector.show.paging import page
from chainwatch_collector.show.views import (
    AgentView,
    AuditEntry,
    ChainNode,
    Change,
    Check,
    Event,
    EventQuery,
    Explanation,
    Forecast,
    Forest,
    HistoryPoint,
    JobView,
    MergeView,
    Mute,
    MuteRequest,
    Page,
    PoolView,
    Rescan,
    SrView,
    Subject,
    SubjectKind,
    TaskView,
    Transition,
    UnknownSubjectError,
    Why,
)

NOW = datetime(2026, 11, 22, 14, 8, 0, tzinfo=UTC)


class MemoryModel:
    """Every public attribute may be set by a test; `changed` tells the listeners."""

    def __init__(self) -> None:
        self.clock = NOW
        self.pool_views: list[PoolView] = []
        self.pool_answers: dict[str, Answer] = {}
        self.agent_views: list[AgentView] = []
        self.sr_views: dict[str, SrView] = {}
        self.nodes: dict[str, list[ChainNode]] = {}
        self.merge_views: list[MergeView] = []
        self.task_views: list[TaskView] = []
        self.mute_list: list[Mute] = []
        self.event_list: list[Event] = []
        self.transition_list: list[Transition] = []
        self.forecast_list: list[Forecast] = []
        self.points: dict[str, list[HistoryPoint]] = {}
        self.entries: dict[str, Explanation] = {}
        self.whys: dict[str, Why] = {}
        self.prechecks: dict[str, tuple[Check, ...]] = {}
        self.rescan_list: list[Rescan] = []
        self.audit_log: list[AuditEntry] = []
        self.job_views: list[JobView] = []
        self.readiness: tuple[Check, ...] = (Check("database", "ok", "writable"),)
        self.totals: dict[str, float] = {"chainwatch_spans_committed_total": 12.0}
        self.hub = ChangeHub()

    def now(self) -> datetime:
        return self.clock

    def ready(self) -> tuple[Check, ...]:
        return self.readiness

    def pools(self) -> Sequence[PoolView]:
        return self.pool_views

    def answers(self) -> Mapping[str, Answer]:
        return self.pool_answers

    def agents(self) -> Sequence[AgentView]:
        return self.agent_views

    def srs(self) -> Mapping[str, SrView]:
        return self.sr_views

    def merges(self) -> Sequence[MergeView]:
        return self.merge_views

    def tasks(self) -> Sequence[TaskView]:
        return self.task_views

    def mutes(self) -> Sequence[Mute]:
        return self.mute_list

    def counters(self) -> Mapping[str, float]:
        return self.totals

    def subjects(self) -> list[Subject]:
        found = [Subject("pool", pool.uuid, pool.name, pool.uuid) for pool in self.pool_views]
        found += [Subject("sr", sr.uuid, sr.name, sr.pool_uuid) for sr in self.sr_views.values()]
        found += [Subject("host", one.host_uuid, one.host_name, one.pool_uuid) for one in self.agent_views]
        for sr_uuid, nodes in self.nodes.items():
            pool = self.sr_views[sr_uuid].pool_uuid
            found += [Subject("vdi", node.uuid, node.name, pool) for node in nodes]
        for pool_uuid, answer in self.pool_answers.items():
            found += [Subject("vm", one.vm, one.name, pool_uuid) for one in answer.verdicts]
        return found

    def find(self, text: str, kinds: Sequence[SubjectKind] = ()) -> Subject:
        near = [one for one in self.subjects() if not kinds or one.kind in kinds]
        exact = [one for one in near if text in (one.uuid, one.name)]
        if not exact and len(text) >= 8:
            exact = [one for one in near if one.uuid.startswith(text.lower())]
        if len(exact) != 1:
            raise UnknownSubjectError(text, exact)
        return exact[0]

    def why(self, subject: Subject) -> Why:
        if subject.uuid in self.whys:
            return self.whys[subject.uuid]
        return Why(
            subject, f"{subject.name} is fine.", "ok", None, (Check("findings", "ok", "none"),), (), (), self.clock
        )

    def forest(self, subject: Subject) -> Forest:
        for sr_uuid, nodes in self.nodes.items():
            if subject.uuid == sr_uuid:
                return Forest(sr_uuid, tuple(nodes), self.clock)
            if any(node.uuid == subject.uuid for node in nodes):
                return Forest(sr_uuid, tuple(_tree(nodes, subject.uuid)), self.clock)
        return Forest(subject.uuid, (), self.clock)

    def chain_ends(self, sr_uuid: str) -> Sequence[ChainNode]:
        nodes = self.nodes.get(sr_uuid, [])
        parents = {node.parent for node in nodes}
        return [node for node in nodes if node.uuid not in parents]

    def catalogue(self) -> Mapping[str, Explanation]:
        return self.entries

    def explain(self, text: str) -> Sequence[Explanation]:
        return [entry for code, entry in self.entries.items() if code in text or code.lower() in text.lower()]

    def job(self, text: str) -> JobView:
        for job in self.job_views:
            if text in (job.name, job.uuid):
                return job
        raise UnknownSubjectError(text)

    async def events(self, query: EventQuery) -> Page[Event]:
        chosen = [event for event in self.event_list if _matches(event, query)]
        sign = 1 if query.ascending else -1
        return page(chosen, lambda e: (sign * (e.at.timestamp() if e.at else 0.0), e.id), query.limit, query.after)

    async def history(self, subject: Subject, since: datetime, until: datetime) -> Sequence[HistoryPoint]:
        return [point for point in self.points.get(subject.uuid, []) if since <= point.at <= until]

    async def transitions(self, subject: Subject | None, since: datetime, limit: int) -> Sequence[Transition]:
        chosen = [
            one
            for one in self.transition_list
            if one.at >= since and (subject is None or one.subject.uuid == subject.uuid)
        ]
        return sorted(chosen, key=lambda one: one.at, reverse=True)[:limit]

    async def forecasts(self, subject: Subject | None) -> Sequence[Forecast]:
        return [one for one in self.forecast_list if subject is None or one.subject.uuid == subject.uuid]

    async def mute(self, request: MuteRequest, by: str) -> Mute:
        subject = request.subject
        mute = Mute(
            id=f"m{len(self.mute_list) + 1}",
            code=request.code,
            subject_uuid=subject.uuid if subject else None,
            subject_name=subject.name if subject else "",
            pool_uuid=subject.pool_uuid if subject else None,
            until=request.until,
            by=by,
            reason=request.reason,
            created_at=self.clock,
            sticky=request.sticky,
        )
        self.mute_list.append(mute)
        self.changed("mutes", mute.pool_uuid)
        return mute

    async def unmute(self, mute_id: str, by: str) -> None:
        kept = [mute for mute in self.mute_list if mute.id != mute_id]
        if len(kept) == len(self.mute_list):
            raise UnknownSubjectError(mute_id)
        self.mute_list = kept
        self.changed("mutes", None)

    def rescan_prechecks(self, sr: Subject) -> tuple[Check, ...]:
        return self.prechecks.get(sr.uuid, (Check("PBD attached on the GC host", "ok", "attached on host-1"),))

    async def rescan(self, sr: Subject, by: str) -> Rescan:
        checks = self.rescan_prechecks(sr)
        text = f"{sr.name}: scan asked for; following its GC run."
        rescan = Rescan(f"r{len(self.rescan_list) + 1}", sr, by, self.clock, "asked", checks, text, pending_before=3)
        self.rescan_list.append(rescan)
        return rescan

    async def rescans(self, sr: Subject | None, limit: int) -> Sequence[Rescan]:
        chosen = [one for one in self.rescan_list if sr is None or one.sr.uuid == sr.uuid]
        return list(reversed(chosen))[:limit]

    async def audit(
        self,
        since: datetime,
        limit: int,
        filters: Mapping[str, str] = NO_FILTERS,
        pools: Collection[str] | None = None,
    ) -> Sequence[AuditEntry]:
        found = [
            one for one in reversed(self.audit_log) if one.at >= since and (pools is None or one.pool_uuid in pools)
        ]
        return [one for one in found if all(getattr(one, key) == value for key, value in filters.items())][:limit]

    async def record_audit(self, entry: AuditEntry) -> None:
        self.audit_log.append(entry)

    def revision(self) -> int:
        return self.hub.revision

    def subscribe(self) -> Subscription:
        return self.hub.subscribe()

    def changed(self, kind: str, pool_uuid: str | None, *subjects: str) -> None:
        self.hub.publish(dataclasses.replace(Change(0, "answer", pool_uuid, subjects), kind=kind))  # type: ignore[arg-type]


def evidence(at: datetime, text: str, offset: int = 4096, source: str = "host-2") -> Evidence:
    return Evidence(source, offset, at, text)


def _tree(nodes: Sequence[ChainNode], uuid: str) -> list[ChainNode]:
    parent = {node.uuid: node.parent for node in nodes}

    def root(one: str) -> str:
        above = parent.get(one)
        return one if above is None or above not in parent else root(above)

    mine = root(uuid)
    return [node for node in nodes if root(node.uuid) == mine]


def _matches(event: Event, query: EventQuery) -> bool:
    wanted = (
        (query.pool_uuid, event.pool_uuid),
        (query.host_uuid, event.host_uuid),
        (query.sr_uuid, event.sr_uuid),
        (query.vdi_uuid, event.vdi_uuid),
        (query.kind, event.kind),
    )
    if any(want is not None and want != have for want, have in wanted):
        return False
    at = event.at or datetime.min.replace(tzinfo=UTC)
    if (query.since and at < query.since) or (query.until and at > query.until):
        return False
    return query.grep is None or query.grep.lower() in event.text.lower()


def minutes_ago(count: float) -> datetime:
    return NOW - timedelta(minutes=count)
