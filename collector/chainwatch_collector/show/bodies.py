"""What every surface says, as records: the body of a route, the context of a page, the answer of a gRPC call.

Additions are compatible; a field is never renamed nor given another meaning (docs/operating.md, "What may be relied
on").
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chainwatch_collector.judge.answer import Evidence, FindingSubject, Run, Severity, Step, Verdict
from chainwatch_collector.show.views import (
    AgentView,
    Attachment,
    AuditEntry,
    ChainNode,
    Check,
    Event,
    Explanation,
    Forecast,
    Forest,
    HistoryPoint,
    JobView,
    MergeView,
    Mute,
    PoolView,
    Rescan,
    Subject,
    TaskView,
    Transition,
)

Status = Literal["ok", "warning", "error", "unknown"]


@dataclass(frozen=True, slots=True)
class FindingBody:
    """A finding of interfaces.md section 3, with the pool it is in, its SR, and whether it is muted."""

    id: str
    because: tuple[str, ...]
    code: str
    severity: Severity
    stale: bool
    subject: FindingSubject
    summary: str
    since: datetime
    count: int
    evidence: tuple[Evidence, ...]
    next: tuple[Step, ...]
    pool_uuid: str
    pool_name: str
    sr_uuid: str | None = None
    muted: Mute | None = None


@dataclass(frozen=True, slots=True)
class SrBody:
    """One SR in a list: its answer, its place, and how bad its findings are."""

    uuid: str
    name: str
    state: str
    depth_max: int | None
    inner_pending: int | None
    leaf_pending: int | None
    kept: int | None
    blocked: int | None
    garbage: int | None
    free_ratio: float | None
    bytes_to_merge: int | None
    eta_seconds: float | None
    last_merge_at: datetime | None
    pool_uuid: str
    pool_name: str
    status: Status
    findings: int = 0
    top_code: str | None = None
    summary: str | None = None
    type: str | None = None
    shared: bool | None = None
    size_bytes: int | None = None
    used_bytes: int | None = None
    gc_host_uuid: str | None = None
    gc_host_name: str | None = None


@dataclass(frozen=True, slots=True)
class SrDetailBody:
    """One SR with all that its page shows but the forest, which `/chain/{id}` has."""

    sr: SrBody
    sentence: str
    attachments: tuple[Attachment, ...]
    findings: tuple[FindingBody, ...]
    merges: tuple[MergeView, ...]
    runs: tuple[Run, ...]
    rescan_prechecks: tuple[Check, ...]
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class PoolBody:
    """A pool with its worst status and how much of it is seen."""

    pool: PoolView
    status: Status
    srs: int
    findings: int


@dataclass(frozen=True, slots=True)
class Counts:
    error: int = 0
    warning: int = 0
    info: int = 0
    muted: int = 0
    stale: int = 0
    unknown_srs: int = 0


@dataclass(frozen=True, slots=True)
class HealthBody:
    """The state of everything the asker may see. `exit_code` is what `chainwatch health` ends with.

    `collector`: what is wrong with the collector itself, for who sees every pool; it is no finding of a pool.
    """

    status: Status
    exit_code: int
    sentence: str
    as_of: datetime
    counts: Counts
    agents_reporting: int
    agents_total: int
    pools: tuple[PoolBody, ...]
    findings: tuple[FindingBody, ...]
    mutes: tuple[Mute, ...]
    collector: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class StatusBody:
    """One screen: what `chainwatch status` and the overview page show. `agents`: only those to look after."""

    status: Status
    exit_code: int
    sentence: str
    as_of: datetime
    counts: Counts
    pools: tuple[PoolBody, ...]
    srs: tuple[SrBody, ...]
    srs_total: int
    merges: tuple[MergeView, ...]
    agents: tuple[AgentView, ...]
    agents_reporting: int
    agents_total: int
    mutes: tuple[Mute, ...]


@dataclass(frozen=True, slots=True)
class PoolList:
    items: tuple[PoolBody, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class SrList:
    items: tuple[SrBody, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class FindingList:
    items: tuple[FindingBody, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class FindingDetailBody:
    """A finding with what caused it, what it causes, and its history."""

    finding: FindingBody
    causes: tuple[FindingBody, ...]
    effects: tuple[FindingBody, ...]
    history: tuple[Transition, ...]


@dataclass(frozen=True, slots=True)
class TransitionList:
    items: tuple[Transition, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class AgentList:
    items: tuple[AgentView, ...]
    as_of: datetime
    next: str | None = None


@dataclass(frozen=True, slots=True)
class EventList:
    items: tuple[Event, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class MergeList:
    items: tuple[MergeView, ...]
    as_of: datetime
    next: str | None = None


@dataclass(frozen=True, slots=True)
class TaskList:
    items: tuple[TaskView, ...]
    as_of: datetime
    next: str | None = None


@dataclass(frozen=True, slots=True)
class VerdictList:
    """`job`: the job that was asked for, with the space of its whole window."""

    items: tuple[Verdict, ...]
    next: str | None = None
    job: JobView | None = None


@dataclass(frozen=True, slots=True)
class VmBody:
    """A VM's page: may it be snapshot, and what is wrong with its disks."""

    verdict: Verdict
    pool_uuid: str
    pool_name: str
    findings: tuple[FindingBody, ...]
    disks: tuple[ChainNode, ...]


@dataclass(frozen=True, slots=True)
class ChainList:
    items: tuple[ChainNode, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class ChainBody:
    subject: Subject
    forest: Forest


@dataclass(frozen=True, slots=True)
class WhyBody:
    """The troubleshooting page: the answer, the checks, the findings with their steps."""

    subject: Subject
    status: str
    sentence: str
    code: str | None
    checks: tuple[Check, ...]
    evidence: tuple[Evidence, ...]
    findings: tuple[FindingBody, ...]
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class ForecastList:
    items: tuple[Forecast, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryBody:
    subject: Subject
    points: tuple[HistoryPoint, ...]


@dataclass(frozen=True, slots=True)
class MuteList:
    items: tuple[Mute, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class RescanList:
    items: tuple[Rescan, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class CodeList:
    items: tuple[Explanation, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class ExplainBody:
    """What a text means, best first, and the open findings of those codes: "you have it now"."""

    text: str
    entries: tuple[Explanation, ...]
    findings: tuple[FindingBody, ...]


@dataclass(frozen=True, slots=True)
class AuditList:
    items: tuple[AuditEntry, ...]
    next: str | None = None
