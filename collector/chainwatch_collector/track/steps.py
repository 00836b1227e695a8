"""What a running GC does, and how fast merges went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chainwatch_collector.read.words import LineRef, RunKey, Step


@dataclass(frozen=True, slots=True)
class StepSeen:
    """A run entered a step with this line; `host_asked` names the pool member it has asked since."""

    run: RunKey
    step: Step
    since: LineRef
    host_asked: str = ""


@dataclass(frozen=True, slots=True)
class CopyRate:
    """How fast one finished merge went: from its copy's start to its end, as the log shows it."""

    at: datetime
    copied_bytes: int
    seconds: float
