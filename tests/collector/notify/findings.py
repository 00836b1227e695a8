"""Findings as the judge gives them, short to write."""

from datetime import UTC, datetime
from typing import Any

from chainwatch_collector.judge.answer import Evidence, Finding, FindingSubject, Step
from chainwatch_collector.show import compose
from chainwatch_collector.show.bodies import FindingBody
from chainwatch_collector.show.views import Mute

POOL = "11111111-0000-4000-8000-00000000000a"
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)


def finding(code: str, severity: str = "error", because: tuple[str, ...] = (), **fields: Any) -> Finding:
    """Its id is `<code>-1`."""
    given: dict[str, Any] = {
        "id": f"{code}-1",
        "because": because,
        "code": code,
        "severity": severity,
        "stale": False,
        "subject": FindingSubject("sr", "22222222-0000-4000-8000-00000000000b", "nfs-1"),
        "summary": f"{code} it is.",
        "since": AT,
        "count": 1,
        "evidence": (Evidence("xcp1:/var/log/SMlog", 42, AT, "No space to coalesce"),),
        "next": (Step("safe", "Grow the storage.", None, None, None),),
    }
    return Finding(**{**given, **fields})


def body(found: Finding, mutes: tuple[Mute, ...] = ()) -> FindingBody:
    """As the surfaces have it."""
    return compose.finding_body(found, POOL, "prod", mutes)
