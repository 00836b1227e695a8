"""The answer as the surfaces see it: the records of interfaces.md section 3, one pool each."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Severity = Literal["error", "warning", "info"]
Risk = Literal["safe", "disruptive", "data risk"]
Readiness = Literal["ok", "at_risk", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class FindingSubject:
    kind: str
    uuid: str
    name: str


@dataclass(frozen=True, slots=True)
class Evidence:
    source: str
    offset: int
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    risk: Risk
    text: str
    command: str | None = None
    precheck: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    id: str
    because: tuple[str, ...]
    code: str
    severity: Severity
    stale: bool
    subject: FindingSubject
    summary: str
    since: datetime
    count: int
    evidence: tuple[Evidence, ...] = ()
    next: tuple[Step, ...] = ()
    sr_uuid: str | None = None


@dataclass(frozen=True, slots=True)
class DiskVerdict:
    vdi: str
    depth: int
    headroom: int
    inner_pending: int
    leaf_pending: int
    kept: int
    blocked: int
    snapshot_need_bytes: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Verdict:
    vm: str
    name: str
    as_of: datetime
    snapshot: Readiness
    backup: Readiness
    reasons: tuple[str, ...]
    xo_would_skip: bool | None
    disks: tuple[DiskVerdict, ...] = ()


@dataclass(frozen=True, slots=True)
class SrAnswer:
    uuid: str
    name: str
    state: str
    depth_max: int | None = None
    inner_pending: int | None = None
    leaf_pending: int | None = None
    kept: int | None = None
    blocked: int | None = None
    garbage: int | None = None
    free_ratio: float | None = None
    bytes_to_merge: int | None = None
    eta_seconds: float | None = None
    last_merge_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Merge:
    kind: Literal["inner", "leaf"]
    child: str
    parent: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    cause: str | None


@dataclass(frozen=True, slots=True)
class Run:
    sr_uuid: str | None
    host: str
    pid: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    merges: tuple[Merge, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    findings: tuple[Finding, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    srs: tuple[SrAnswer, ...] = ()
    runs: tuple[Run, ...] = ()
    lines: dict[str, int] = field(default_factory=dict)
