"""What a log proves to be wrong and has not shown to be healed: the unit between facts and findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from chainwatch_collector.read.words import LineRef, RunKey

IncidentKind = Literal[
    "crashed",
    "interrupted",
    "undone",
    "merge_failed",
    "no_space",
    "gave_up",
    "leaf_skipped",
    "multi_attach",
    "corrupt",
    "parent_missing",
    "lost",
    "scan_failed",
    "host_blocked",
    "chain_too_long",
    "snapshot_no_space",
    "attach_no_space",
    "sr_full",
    "frozen",
    "stale_flag",
    "slow",
    "activation_waits",
    "system",
]
PROOFS_KEPT = 5
_RUNS_KEPT = 16
_HOSTS_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One thing that went wrong, however often. `vdi`, `parent`: as the log names them, full uuid or 8 characters.

    `count` is of runs where `runs` has them, else of lines. `proofs`: the first line and the newest ones, oldest first.
    `free_bytes`, `need_bytes`: of the newest line that told them.
    """

    kind: IncidentKind
    key: str
    first: LineRef
    last: LineRef
    vdi: str = ""
    parent: str = ""
    cause: str = ""
    detail: str = ""
    count: int = 1
    runs: tuple[RunKey, ...] = ()
    proofs: tuple[LineRef, ...] = ()
    free_bytes: int | None = None
    need_bytes: int | None = None
    sure: bool = True
    after_kill: bool = False
    hosts: tuple[str, ...] = ()

    @property
    def last_run(self) -> RunKey | None:
        """The newest run that met it."""
        return self.runs[-1] if self.runs else None


@dataclass(slots=True)
class Incidents:
    """The open incidents of one log about one SR, by (kind, key). At most `limit` of them: the oldest go first.

    What is asked of every line costs what there is of the kinds asked for, not what there is in all.
    """

    found: dict[tuple[IncidentKind, str], Incident] = field(default_factory=dict)
    limit: int = 2000
    _keys: dict[IncidentKind, dict[str, None]] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        return None, {"found": self.found, "limit": self.limit}

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        self.found, self.limit, self._keys = state[1]["found"], state[1]["limit"], {}
        for kind, key in self.found:
            self._keys.setdefault(kind, {})[key] = None

    def __iter__(self) -> Iterator[Incident]:
        return iter(self.found.values())

    def __len__(self) -> int:
        return len(self.found)

    def of(self, *kinds: IncidentKind) -> list[Incident]:
        """All of these kinds, kind by kind, the oldest of each first."""
        return [self.found[kind, key] for kind in kinds for key in self._keys.get(kind, ())]

    def get(self, kind: IncidentKind, key: str) -> Incident | None:
        """The one with this key."""
        return self.found.get((kind, key))

    def met(self, incident: Incident, run: RunKey | None = None, proofs: Iterable[LineRef | None] = ()) -> Incident:
        """Open it, or count it once more: once per run where a run is named, once per line where none is."""
        given = tuple(ref for ref in proofs if ref is not None) or (incident.last,)
        old = self.found.get((incident.kind, incident.key))
        if old is None:
            new = replace(incident, runs=(run,) if run else (), proofs=given[:PROOFS_KEPT])
        else:
            self.drop(old)
            new = _again(old, incident, run, given)
        self.put(new)
        self.keep(self.limit)
        return new

    def put(self, incident: Incident) -> None:
        """As it is known now, in its place; behind all others where it is new."""
        self.found[incident.kind, incident.key] = incident
        self._keys.setdefault(incident.kind, {})[incident.key] = None

    def keep(self, newest: int) -> None:
        """No more than so many: those that were not met for longest go."""
        while len(self.found) > newest:
            self.drop(next(iter(self.found.values())))

    def drop(self, incident: Incident) -> None:
        """It healed."""
        if self.found.pop((incident.kind, incident.key), None) is not None:
            del self._keys[incident.kind][incident.key]

    def heal(self, *kinds: IncidentKind, unless_run: RunKey | None = None, key: str | None = None) -> None:
        """Everything of these kinds healed, but what this run met itself."""
        if key is None:
            known = self.of(*kinds)
        else:
            known = [found for kind in kinds if (found := self.found.get((kind, key))) is not None]
        for incident in known:
            if unless_run is None or unless_run not in incident.runs:
                self.drop(incident)


def _again(old: Incident, new: Incident, run: RunKey | None, proofs: tuple[LineRef, ...]) -> Incident:
    same_run = run is not None and run in old.runs
    kept = [ref for ref in old.proofs if ref not in proofs]
    both = [*kept, *proofs]
    shown = (both[0], *both[1:][-(PROOFS_KEPT - 1) :])
    return replace(
        new,
        first=old.first,
        count=old.count if same_run else old.count + 1,
        runs=old.runs if same_run or run is None else (*old.runs, run)[-_RUNS_KEPT:],
        proofs=shown,
        vdi=max(old.vdi, new.vdi, key=len),
        parent=max(old.parent, new.parent, key=len),
        detail=new.detail or old.detail,
        free_bytes=old.free_bytes if new.free_bytes is None else new.free_bytes,
        need_bytes=old.need_bytes if new.need_bytes is None else new.need_bytes,
        sure=old.sure or new.sure,
        after_kill=old.after_kill or new.after_kill,
        hosts=tuple(dict.fromkeys((*old.hosts, *new.hosts)))[-_HOSTS_KEPT:],
    )


def seconds_between(first: LineRef, last: LineRef) -> float:
    """0 where either line has no time."""
    return (last.at - first.at).total_seconds() if first.at and last.at else 0.0


def when(ref: LineRef | None, default: datetime) -> datetime:
    """The line's time, or `default`."""
    return ref.at if ref is not None and ref.at is not None else default
