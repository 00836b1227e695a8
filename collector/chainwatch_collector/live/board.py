"""The newest of everything that the surfaces show, and who is told when it changes. Belongs to the event loop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from chainwatch_collector.fold.assignment import UNASSIGNED
from chainwatch_collector.fold.pool_fold import Judged
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.answer import Answer
from chainwatch_collector.keep.rows import HostRow
from chainwatch_collector.show.changes import ChangeHub
from chainwatch_collector.show.views import Change, LogPosition, Mute
from chainwatch_collector.track.state import PoolState


@dataclass(frozen=True, slots=True)
class HostExtra:
    """What the database knows of a host beside its row. `committed`: log path → bytes of its newest file."""

    gaps: int = 0
    committed: Mapping[str, int] = field(default_factory=dict)
    certificate_expires_at: datetime | None = None
    revoked: bool = False

    def position(self, path: str, size_bytes: int, read_to: int, problem: str) -> LogPosition:
        """How far a log is committed; as far as it was read where nothing of it is."""
        return LogPosition(path, size_bytes, min(size_bytes, self.committed.get(path, read_to)), problem)


@dataclass(frozen=True, slots=True)
class Registered:
    """Hosts by uuid and the mutes in force, as the database has them."""

    hosts: Mapping[str, HostRow] = field(default_factory=dict)
    extras: Mapping[str, HostExtra] = field(default_factory=dict)
    mutes: tuple[Mute, ...] = ()


class Board:
    """Every mapping handed out is a snapshot: what changes is replaced, never changed in place."""

    def __init__(self, hub: ChangeHub) -> None:
        self.hub = hub
        self.answers: Mapping[str, Answer] = MappingProxyType({})
        self.judged_at: dict[str, datetime] = {}
        self.states: dict[str, PoolState] = {}
        self.pictures: dict[str, Picture] = {}
        self.homes: Mapping[str, str] = {}
        self.registered = Registered()

    def judged(self, judged: Judged) -> None:
        """A pool has a new answer. One without a state is another collector's: an older state would belie it."""
        pool = judged.pool_uuid
        before = self.answers.get(pool)
        if judged.state is not None:
            self.states[pool] = judged.state
        else:
            self.states.pop(pool, None)
        self.judged_at[pool] = judged.at
        self.answers = MappingProxyType({**self.answers, pool: judged.answer})
        subjects = _changed(before, judged.answer)
        if before is None or subjects:
            self.hub.publish(Change(0, "answer", pool, subjects[:100]))
        if judged.state is not None and any(sr.open_run is not None for sr in judged.state.srs.values()):
            self.hub.publish(Change(0, "merges", pool))

    def pictured(self, pool: str, picture: Picture) -> None:
        """XenAPI says something new of a pool."""
        before = self.pictures.get(pool)
        self.pictures[pool] = picture
        if before is None or (before.reachable, before.problem) != (picture.reachable, picture.problem):
            self.hub.publish(Change(0, "pools", pool))
        if before is None or before.tasks != picture.tasks:
            self.hub.publish(Change(0, "tasks", pool))

    def retired(self, pool: str) -> None:
        """A pool is known by another uuid now: nothing is left of this one."""
        self.pictures.pop(pool, None)
        self.states.pop(pool, None)
        self.judged_at.pop(pool, None)
        self.answers = MappingProxyType({uuid: answer for uuid, answer in self.answers.items() if uuid != pool})
        self.hub.publish(Change(0, "pools", pool))

    def placed(self, homes: Mapping[str, str]) -> None:
        """Host uuid → pool uuid, as the fold has it."""
        if homes != self.homes:
            self.homes = homes
            self.hub.publish(Change(0, "agents", None))

    def register(self, registered: Registered) -> None:
        """What the database says of hosts and mutes."""
        before, self.registered = self.registered, registered
        if _agent_marks(before.hosts) != _agent_marks(registered.hosts):
            self.hub.publish(Change(0, "agents", None))
        if before.mutes != registered.mutes:
            self.hub.publish(Change(0, "mutes", None))

    def pool_of(self, host_uuid: str) -> str | None:
        """The pool that a host's evidence belongs to; None where it has none."""
        return self.homes.get(host_uuid)

    def has_unassigned(self) -> bool:
        """Whether some host is in no configured pool."""
        return UNASSIGNED in self.homes.values()


def _agent_marks(hosts: Mapping[str, HostRow]) -> set[tuple[str, bool, str]]:
    return {(uuid, host.stream_open, host.agent_version) for uuid, host in hosts.items()}


def _changed(before: Answer | None, after: Answer) -> tuple[str, ...]:
    """Uuids of what the answer says something else of; `as_of` is no change."""
    if before is None:
        return ()
    subjects: dict[str, None] = {}
    for one, other in ((before.findings, after.findings), (after.findings, before.findings)):
        known = {finding.id: finding for finding in one}
        subjects.update((f.subject.uuid, None) for f in other if known.get(f.id) != f)
    srs = {sr.uuid: sr for sr in before.srs}
    subjects.update((sr.uuid, None) for sr in after.srs if srs.get(sr.uuid) != sr)
    verdicts = _verdict_marks(before)
    subjects.update((vm, None) for vm, mark in _verdict_marks(after).items() if verdicts.get(vm) != mark)
    return tuple(subjects)


def _verdict_marks(answer: Answer) -> dict[str, tuple[Any, ...]]:
    return {one.vm: (one.snapshot, one.backup, one.reasons, one.disks) for one in answer.verdicts}
