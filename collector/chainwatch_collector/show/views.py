"""What the read model hands out: frozen records, one per thing that has a row or a page.

Shapes: uuids are the full 36 characters, times aware UTC, `*_bytes` and `*_seconds` say so.
What `judge` answers with is `judge`'s and is handed on from here: Check, Explanation, Subject, Why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar

from chainwatch_collector.judge.checklist import Check as Check
from chainwatch_collector.judge.checklist import CheckStatus as CheckStatus
from chainwatch_collector.judge.checklist import Subject as Subject
from chainwatch_collector.judge.checklist import Why as Why
from chainwatch_collector.judge.explain import Explanation as Explanation

T = TypeVar("T")

SubjectKind = Literal["pool", "host", "sr", "vdi", "vm", "agent", "task", "job", "remote"]
AgentState = Literal["reporting", "silent", "behind", "missing", "unassigned", "revoked"]
NodeStatus = Literal[
    "inner_pending", "leaf_pending", "kept", "blocked", "garbage", "leaf", "base", "merging", "unknown"
]


@dataclass(frozen=True, slots=True)
class PoolView:
    """One configured pool. `problem` says in a line why XenAPI cannot be asked, None while it can."""

    uuid: str
    name: str
    master_name: str
    reachable: bool
    as_of: datetime | None
    hosts: int
    hosts_with_agent: int
    problem: str | None = None
    software: str = ""


@dataclass(frozen=True, slots=True)
class AgentView:
    """One dom0, with an agent or without. `lag_seconds`: age of the newest committed evidence, None when unknown."""

    host_uuid: str
    host_name: str
    pool_uuid: str | None
    pool_name: str
    state: AgentState
    last_seen_at: datetime | None = None
    lag_seconds: float | None = None
    version: str = ""
    python: str = ""
    sm_version: str = ""
    connected_since: datetime | None = None
    certificate_expires_at: datetime | None = None
    gaps: int = 0
    dropped_total: int = 0
    lines_selected: int = 0
    bytes_selected: int = 0
    bytes_read: int = 0
    logs: tuple["LogPosition", ...] = ()
    counters: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a log of a host is committed."""

    path: str
    size_bytes: int
    committed_bytes: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One PBD. `agent` is the state of that host's agent."""

    host_uuid: str
    host_name: str
    attached: bool
    agent: AgentState


@dataclass(frozen=True, slots=True)
class SrView:
    """What XenAPI says of an SR; its coalesce state is in the answer. `size_bytes` ≤ 0: the SR has no size."""

    uuid: str
    name: str
    pool_uuid: str
    pool_name: str
    type: str
    shared: bool
    size_bytes: int
    used_bytes: int
    virtual_bytes: int
    vdis: int
    gc_host_uuid: str | None = None
    gc_host_name: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainNode:
    """One VDI in a forest. `depth` counts from the root, which is 1. `status` is the judge's word."""

    uuid: str
    name: str
    parent: str | None
    depth: int
    status: NodeStatus
    virtual_bytes: int | None = None
    physical_bytes: int | None = None
    vm_uuid: str | None = None
    vm_name: str = ""
    device: str = ""
    is_snapshot: bool = False
    hidden: bool = False
    reason: str = ""
    sr_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Forest:
    """The trees of one SR, or of one VDI. Nodes come parents first; `truncated` says how many were left out."""

    sr_uuid: str
    nodes: tuple[ChainNode, ...]
    as_of: datetime | None
    limit_depth: int = 30
    truncated: int = 0


@dataclass(frozen=True, slots=True)
class MergeView:
    """A merge, running or ended. Progress is bytes of the image process; None where it cannot be seen."""

    sr_uuid: str
    sr_name: str
    pool_uuid: str
    kind: Literal["inner", "leaf"]
    child: str
    parent: str
    started_at: datetime
    host_name: str
    outcome: str = "running"
    cause: str | None = None
    ended_at: datetime | None = None
    vm_name: str = ""
    done_bytes: int | None = None
    total_bytes: int | None = None
    rate_bytes_per_second: float | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events. Newest first unless `ascending`. `after` is the cursor of the page before, opaque."""

    since: datetime | None = None
    until: datetime | None = None
    pool_uuid: str | None = None
    host_uuid: str | None = None
    sr_uuid: str | None = None
    vdi_uuid: str | None = None
    kind: str | None = None
    grep: str | None = None
    ascending: bool = False
    limit: int = 100
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of evidence and what it means; `kind` is the fact's name, or `unknown`."""

    id: str
    at: datetime | None
    host_uuid: str
    host_name: str
    log: str
    offset: int
    kind: str
    text: str
    pool_uuid: str | None = None
    sr_uuid: str | None = None
    vdi_uuid: str | None = None
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items and the opaque cursor of the next page, None at the end."""

    items: tuple[T, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class TaskView:
    """A XenAPI task. `moving` None: cannot be told."""

    uuid: str
    name: str
    kind: str
    pool_uuid: str
    pool_name: str
    created_at: datetime
    progress: float
    moving: bool | None
    detail: str = ""
    host_name: str = ""
    subject: Subject | None = None
    rate_bytes_per_second: float | None = None
    eta_seconds: float | None = None
    creator: str = ""
    ghost: bool = False


@dataclass(frozen=True, slots=True)
class Forecast:
    """When something happens, with its interval. `at` None and `sentence` saying why: the data do not carry it."""

    subject: Subject
    what: Literal["chain_limit", "sr_full", "backlog_clear"]
    sentence: str
    at: datetime | None = None
    earliest_at: datetime | None = None
    latest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobWindow:
    """What all snapshots of a job's window, and the largest merge after them, need of one SR: (least, most)."""

    sr_uuid: str
    sr_name: str
    pool_uuid: str
    disks: int
    need_bytes: tuple[int, int]
    free_bytes: int | None
    answer: Literal["ok", "at_risk", "refused"]


@dataclass(frozen=True, slots=True)
class JobView:
    """A backup job before its next run. `vms`: pool uuid → its VMs there. `full_bytes`: what is exported whole for lack
    of a base. `empty`: why it matches no VM."""

    uuid: str
    name: str
    sentence: str
    next_at: datetime | None
    vms: Mapping[str, tuple[str, ...]]
    windows: tuple[JobWindow, ...] = ()
    full_bytes: int = 0
    empty: str = ""


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """One sample of an SR or a chain; what was not known is None."""

    at: datetime
    depth_max: int | None = None
    pending: int | None = None
    to_merge_bytes: int | None = None
    free_ratio: float | None = None
    merge_rate_bytes_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """A finding was raised, changed its severity, or cleared."""

    at: datetime
    finding_id: str
    code: str
    subject: Subject
    severity: str
    change: Literal["raised", "worse", "better", "cleared"]
    summary: str


@dataclass(frozen=True, slots=True)
class Mute:
    """A visible, expiring silence. It dies when the finding clears or gets worse, unless `sticky`."""

    id: str
    code: str
    subject_uuid: str | None
    subject_name: str
    pool_uuid: str | None
    until: datetime
    by: str
    reason: str
    created_at: datetime
    sticky: bool = False


@dataclass(frozen=True, slots=True)
class MuteRequest:
    """What to silence: a code, on one subject or everywhere the principal may see."""

    code: str
    subject: Subject | None
    until: datetime
    reason: str
    sticky: bool = False


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change or refused change, never rewritten."""

    at: datetime
    who: str
    what: str
    subject: str
    pool_uuid: str | None
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Rescan:
    """A rescan that was asked for, refused or followed. `pending_*` are the backlog before and after."""

    id: str
    sr: Subject
    by: str
    asked_at: datetime
    state: Literal["refused", "asked", "started", "kicked_not_started", "ended", "failed"]
    prechecks: tuple[Check, ...]
    sentence: str
    pending_before: int | None = None
    pending_after: int | None = None
    run_started_at: datetime | None = None
    run_outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Something changed: which surface should be read again. `revision` increases without gaps per model."""

    revision: int
    kind: Literal["answer", "agents", "merges", "tasks", "mutes", "rescan", "pools"]
    pool_uuid: str | None
    subjects: tuple[str, ...] = ()


class UnknownSubjectError(Exception):
    """Nothing, or more than one thing, goes by that name. `candidates` lists what was near."""

    def __init__(self, text: str, candidates: Sequence[Subject] = ()) -> None:
        super().__init__(text)
        self.text = text
        self.candidates = tuple(candidates)


class NotAvailableError(Exception):
    """The collector cannot answer this now (no database, no such feature configured); `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
