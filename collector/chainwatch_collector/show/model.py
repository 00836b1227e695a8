"""The read model: all that REST, web, metrics, gRPC and notifications know of the collector.

`ReadModel` is implemented by the composition root over the live collector and, in tests and benches, over answers of
the real judge held in memory. What is in memory there is a plain method and returns at once; what asks the database or
a host is a coroutine. Nothing behind this border may block the event loop.

Shapes: uuids are the full 36 characters, times aware UTC, `*_bytes` and `*_seconds` say so. A `dict` named `answer` is
the JSON of `interfaces.md` section 3.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from chainwatch_collector.judge.answer import Answer
from chainwatch_collector.show.views import (
    AgentView,
    AuditEntry,
    ChainNode,
    Change,
    Check,
    Event,
    EventQuery,
    Explanation,
    Forecast,
    Forest,
    HistoryPoint,
    JobView,
    MergeView,
    Mute,
    MuteRequest,
    Page,
    PoolView,
    Rescan,
    SrView,
    Subject,
    SubjectKind,
    TaskView,
    Transition,
    Why,
)

NO_FILTERS: Final[Mapping[str, str]] = MappingProxyType({})


class Changes(Protocol):
    """An async iterator of changes that can be given up."""

    def __aiter__(self) -> AsyncIterator[Change]: ...

    async def __anext__(self) -> Change: ...

    async def aclose(self) -> None: ...


class ReadModel(Protocol):
    """See the module's docstring. Every method may be called from the event loop's thread only."""

    def now(self) -> datetime:
        """The collector's clock; ages on every surface count from it."""
        ...

    def ready(self) -> tuple[Check, ...]:
        """What readiness rests on: database, listeners, pools. Any `error` means not ready."""
        ...

    def pools(self) -> Sequence[PoolView]: ...

    def answers(self) -> Mapping[str, Answer]:
        """Pool uuid → the newest answer of the judge. The mapping and the answers are immutable snapshots."""
        ...

    def agents(self) -> Sequence[AgentView]: ...

    def srs(self) -> Mapping[str, SrView]:
        """SR uuid → what XenAPI says of it, every pool."""
        ...

    def merges(self) -> Sequence[MergeView]:
        """Merges running now and those of the last day, newest first."""
        ...

    def tasks(self) -> Sequence[TaskView]: ...

    def mutes(self) -> Sequence[Mute]: ...

    def counters(self) -> Mapping[str, float]:
        """The collector's own counters by full metric name without labels; bounded."""
        ...

    def find(self, text: str, kinds: Sequence[SubjectKind] = ()) -> Subject:
        """The one subject that a name, a uuid or a uuid's prefix of 8 or more characters means.

        Raises `UnknownSubjectError` where nothing or more than one fits.
        """
        ...

    def why(self, subject: Subject) -> Why: ...

    def forest(self, subject: Subject) -> Forest:
        """The trees of an SR, or the tree that a VDI is in. Raises `UnknownSubjectError` for another kind."""
        ...

    def chain_ends(self, sr_uuid: str) -> Sequence[ChainNode]:
        """The nodes of an SR that nothing else has as its parent: every chain's end, in any order."""
        ...

    def catalogue(self) -> Mapping[str, Explanation]:
        """Code → its entry, without `matched`."""
        ...

    def explain(self, text: str) -> Sequence[Explanation]:
        """Entries that a code or a pasted message means, best first; empty where nothing fits."""
        ...

    def job(self, text: str) -> JobView:
        """The backup job of this name or id. Raises `UnknownSubjectError`."""
        ...

    async def events(self, query: EventQuery) -> Page[Event]: ...

    async def history(self, subject: Subject, since: datetime, until: datetime) -> Sequence[HistoryPoint]: ...

    async def transitions(self, subject: Subject | None, since: datetime, limit: int) -> Sequence[Transition]:
        """Newest first."""
        ...

    async def forecasts(self, subject: Subject | None) -> Sequence[Forecast]: ...

    async def mute(self, request: MuteRequest, by: str) -> Mute: ...

    async def unmute(self, mute_id: str, by: str) -> None:
        """Raises `UnknownSubjectError` where there is no such mute."""
        ...

    def rescan_prechecks(self, sr: Subject) -> tuple[Check, ...]:
        """The five questions of interfaces.md section 5; only all `ok` lets a rescan be asked for."""
        ...

    async def rescan(self, sr: Subject, by: str) -> Rescan:
        """Ask for a scan; the answer's state is `asked` or `refused`, its outcome follows through `rescans`."""
        ...

    async def rescans(self, sr: Subject | None, limit: int) -> Sequence[Rescan]: ...

    async def audit(
        self,
        since: datetime,
        limit: int,
        filters: Mapping[str, str] = NO_FILTERS,
        pools: Collection[str] | None = None,
    ) -> Sequence[AuditEntry]:
        """Newest first. `filters`: a field of `AuditEntry` (who, what, subject, outcome) and what it must be.

        `pools`: of these alone; None for every pool and what is of none.
        """
        ...

    async def record_audit(self, entry: AuditEntry) -> None: ...

    def revision(self) -> int:
        """The number of the newest change; `show.changes.ChangeHub` counts it."""
        ...

    def subscribe(self) -> Changes:
        """Changes from this moment on. A slow reader misses intermediate ones, never the newest."""
        ...
