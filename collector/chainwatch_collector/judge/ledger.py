"""The life of findings: first and last seen, hold-down, hysteresis, stale, and the transitions between them.

Conditions come and go with every judgement; a finding is one that was told. What the ledger holds survives a restart
through the store's `findings` rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from chainwatch_collector.judge.answer import Finding, FindingSubject, Severity
from chainwatch_collector.judge.condition import Condition

Change = Literal["raised", "worse", "better", "cleared"]
WEIGHT: Final[Mapping[Severity, int]] = {"info": 0, "warning": 1, "error": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One finding from its first sign on. `told_at` None: held down. `absent_since`: gone, but not yet cleared."""

    id: str
    condition: Condition
    first_seen: datetime
    last_seen: datetime
    told_at: datetime | None = None
    absent_since: datetime | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """A finding changed; `entry` is how it stands now, at a clearing how it stood last."""

    at: datetime
    finding_id: str
    change: Change
    entry: Entry


@dataclass(slots=True)
class Ledger:
    """Mutable, one per pool; `update` is the only way to change it."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def update(
        self, conditions: Sequence[tuple[str, Condition]], now: datetime, lost: frozenset[str]
    ) -> tuple[list[Entry], list[Transition]]:
        """(entries told and open, what changed). `lost`: sources that say nothing now; their findings stay, stale."""
        transitions: list[Transition] = []
        holding = dict(conditions)
        for finding_id, condition in holding.items():
            self.entries[finding_id] = self._holds(finding_id, condition, now, lost, transitions)
        for finding_id in [known for known in self.entries if known not in holding]:
            self._absent(finding_id, now, lost, transitions)
        told = [entry for entry in self.entries.values() if entry.told_at is not None]
        return told, transitions

    def _holds(
        self, finding_id: str, condition: Condition, now: datetime, lost: frozenset[str], out: list[Transition]
    ) -> Entry:
        stale = bool(condition.sources & lost)
        before = self.entries.get(finding_id)
        if before is None:
            entry = Entry(id=finding_id, condition=condition, first_seen=condition.since, last_seen=now, stale=stale)
        else:
            entry = replace(before, condition=condition, last_seen=now, absent_since=None, stale=stale)
        held_for = (now - entry.first_seen).total_seconds()
        if entry.told_at is None and held_for >= condition.hold_seconds:
            entry = replace(entry, told_at=now)
            out.append(Transition(now, finding_id, "raised", entry))
        elif entry.told_at is not None and before is not None:
            change = _change(before.condition.severity, condition.severity)
            if change is not None:
                out.append(Transition(now, finding_id, change, entry))
        return entry

    def _absent(self, finding_id: str, now: datetime, lost: frozenset[str], out: list[Transition]) -> None:
        entry = self.entries[finding_id]
        if entry.told_at is None:
            del self.entries[finding_id]
        elif entry.condition.sources & lost:
            self.entries[finding_id] = replace(entry, stale=True)
        elif _quiet_long_enough(entry, now):
            del self.entries[finding_id]
            out.append(Transition(now, finding_id, "cleared", entry))
        else:
            self.entries[finding_id] = replace(entry, absent_since=entry.absent_since or now, stale=False)

    def restore(self, entries: Iterable[Entry]) -> None:
        """After a restart: what was open stays open, with its own first time."""
        self.entries = {entry.id: entry for entry in entries}


def _change(before: Severity, after: Severity) -> Change | None:
    if before == after:
        return None
    return "worse" if WEIGHT[after] > WEIGHT[before] else "better"


def _quiet_long_enough(entry: Entry, now: datetime) -> bool:
    if entry.condition.clear_seconds <= 0:
        return True
    return entry.absent_since is not None and now - entry.absent_since >= timedelta(
        seconds=entry.condition.clear_seconds
    )


# --- stored and restored --------------------------------------------------------------------------------------


def stored_body(entry: Entry, finding: Finding) -> dict[str, Any]:
    """The JSON of a finding with what the ledger needs of it after a restart."""
    condition = entry.condition
    return {
        "severity": condition.severity,
        "subject": {"kind": finding.subject.kind, "uuid": finding.subject.uuid, "name": finding.subject.name},
        "summary": condition.summary,
        "count": condition.count,
        "stale": entry.stale,
        "because": list(finding.because),
        "sr_uuid": condition.sr_uuid,
        "key": condition.key,
        "variant": condition.variant,
        "params": dict(condition.params),
        "host": condition.host,
        "sources": sorted(condition.sources),
        "clear_seconds": condition.clear_seconds,
        "since": condition.since.isoformat(),
    }


def from_stored(
    finding_id: str, code: str, severity: str, first_seen: datetime, last_seen: datetime, body: Mapping[str, Any]
) -> Entry:
    """An entry from a `findings` row, stale until it is judged anew. Raises KeyError for a body of another make."""
    subject = body["subject"]
    condition = Condition(
        code=code,
        subject=FindingSubject(subject["kind"], subject["uuid"], subject["name"]),
        severity="error" if severity == "error" else "warning" if severity == "warning" else "info",
        summary=body["summary"],
        since=datetime.fromisoformat(body["since"]),
        count=body["count"],
        key=body["key"],
        variant=body["variant"],
        params=body["params"],
        sr_uuid=body["sr_uuid"],
        host=body["host"],
        sources=frozenset(body["sources"]),
        clear_seconds=body["clear_seconds"],
    )
    return Entry(
        id=finding_id, condition=condition, first_seen=first_seen, last_seen=last_seen, told_at=first_seen, stale=True
    )
