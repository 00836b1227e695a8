"""The shapes of `why`: a question with its answer, and the answered page of a subject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chainwatch_collector.judge.answer import Evidence

CheckStatus = Literal["ok", "info", "warning", "error", "unknown", "skipped"]
"""`skipped` is "not expected": it cannot be, or need not be, as things stand."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing with a page of its own. `pool_uuid` is None for what belongs to no configured pool."""

    kind: str
    uuid: str
    name: str
    pool_uuid: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `why`: a question, its answer, and what it was read from."""

    name: str
    status: CheckStatus
    detail: str


@dataclass(frozen=True, slots=True)
class Why:
    """The troubleshooting page of a subject: `sentence` answers, `checks` show how, `findings` (ids) have the steps."""

    subject: Subject
    sentence: str
    status: CheckStatus
    code: str | None
    checks: tuple[Check, ...]
    findings: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    as_of: datetime | None = None
