"""The read model as one principal may see it: every surface asks through here, so a pool limit cannot be forgotten."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from chainwatch_collector.judge.answer import Answer, Finding
from chainwatch_collector.show.guard import Principal
from chainwatch_collector.show.model import ReadModel
from chainwatch_collector.show.views import (
    AgentView,
    MergeView,
    Mute,
    PoolView,
    SrView,
    Subject,
    SubjectKind,
    TaskView,
    UnknownSubjectError,
)

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def is_uuid(text: str) -> bool:
    """Whether this is a whole uuid."""
    return _UUID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Scope:
    """`pool` narrows further, to the one pool that a request names."""

    model: ReadModel
    principal: Principal
    pool: str | None = None

    def sees(self, pool_uuid: str | None) -> bool:
        return self.principal.sees(pool_uuid) and self.pool in (None, pool_uuid)

    @property
    def reach(self) -> frozenset[str] | None:
        """The pools that `sees` sees; None for every one and what is of none."""
        if self.pool is None:
            return self.principal.pools
        return frozenset({self.pool} if self.sees(self.pool) else ())

    def pools(self) -> list[PoolView]:
        return [pool for pool in self.model.pools() if self.sees(pool.uuid)]

    def pool_names(self) -> dict[str, str]:
        return {pool.uuid: pool.name for pool in self.model.pools()}

    def answers(self) -> dict[str, Answer]:
        return {uuid: answer for uuid, answer in self.model.answers().items() if self.sees(uuid)}

    def findings(self) -> Iterator[tuple[str, Finding]]:
        """(pool uuid, finding) of every answer in sight."""
        for uuid, answer in self.answers().items():
            for finding in answer.findings:
                yield uuid, finding

    def srs(self) -> Mapping[str, SrView]:
        return {uuid: sr for uuid, sr in self.model.srs().items() if self.sees(sr.pool_uuid)}

    def agents(self) -> list[AgentView]:
        return [agent for agent in self.model.agents() if self.sees(agent.pool_uuid)]

    def merges(self) -> list[MergeView]:
        return [merge for merge in self.model.merges() if self.sees(merge.pool_uuid)]

    def tasks(self) -> list[TaskView]:
        return [task for task in self.model.tasks() if self.sees(task.pool_uuid)]

    def mutes(self) -> list[Mute]:
        now = self.model.now()
        return [mute for mute in self.model.mutes() if mute.until > now and self._sees_mute(mute)]

    def _sees_mute(self, mute: Mute) -> bool:
        # A mute without a pool silences everywhere; whoever sees any pool must see that it is silenced.
        return mute.pool_uuid is None or self.sees(mute.pool_uuid)

    def uuid_of(self, text: str, kinds: tuple[SubjectKind, ...] = ()) -> str:
        """As `find`, of something that may be gone: a whole uuid is taken as it is. Raises `UnknownSubjectError`."""
        try:
            return self.find(text, kinds).uuid
        except UnknownSubjectError as error:
            if error.candidates or not is_uuid(text):
                raise
            return text.lower()

    def find(self, text: str, kinds: tuple[SubjectKind, ...] = ()) -> Subject:
        """As `ReadModel.find`; what is out of sight does not exist. Raises `UnknownSubjectError`."""
        try:
            subject = self.model.find(text, kinds)
        except UnknownSubjectError as error:
            candidates = [one for one in error.candidates if self.sees(one.pool_uuid)]
            if len(error.candidates) > 1 and len(candidates) == 1:
                return candidates[0]
            raise UnknownSubjectError(text, candidates) from None
        if not self.sees(subject.pool_uuid):
            raise UnknownSubjectError(text)
        return subject
