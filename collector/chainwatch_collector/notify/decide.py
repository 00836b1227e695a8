"""What a channel is to be told, from what it knows and what is. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chainwatch_collector.keep.notices import Json, Known, Telling
from chainwatch_collector.notify.incident import Incident
from chainwatch_collector.words import RANK

Describe = Callable[[Incident], Json]


@dataclass
class Settling:
    """When an incident was first seen: it is told once it has been there for a while. Forgotten with the process, which
    only makes it wait again."""

    wait: timedelta
    seen: dict[str, datetime] = field(default_factory=dict)

    def settled(self, incidents: Sequence[Incident], now: datetime) -> list[Incident]:
        """Those that are old enough."""
        self.seen = {one.key: self.seen.get(one.key, now) for one in incidents}
        return [one for one in incidents if now - self.seen[one.key] >= self.wait]

    def unsettled(self, told: Set[str]) -> bool:
        """Whether one is still waiting."""
        return bool(self.seen.keys() - told)


def tellings(
    known: Sequence[Known],
    incidents: Sequence[Incident],
    settled: Sequence[Incident],
    judged_pools: Set[str],
    why_over: Mapping[str, str],
    describe: Describe,
) -> Iterator[Telling]:
    """Raised, worse, better, resolved. An incident of a pool that nobody has judged yet is neither new nor over."""
    told = {one.incident: one for one in known}
    present = {one.key: one for one in incidents}
    for incident in settled:
        before = told.get(incident.key)
        if before is None:
            body: Json = {"incident": describe(incident)}
            yield Telling("raised", incident.key, "", incident.severity, body)
        elif before.severity != incident.severity:
            worse = RANK[incident.severity] < RANK[before.severity]
            body = {"incident": describe(incident), "before": before.severity}
            yield Telling("worse" if worse else "better", incident.key, before.severity, incident.severity, body)
    for one in known:
        if one.incident not in present and one.body["incident"]["pool"]["uuid"] in judged_pools:
            body = {"incident": one.body["incident"], "why": why_over.get(one.incident, "it has cleared")}
            yield Telling("resolved", one.incident, one.severity, one.severity, body)
