"""What one host's log alone tells of SRs and images that its pool does not have: told up to a bound, and so slowly.

Whoever has taken over a dom0 can make up SRs and images as fast as it can log. Each finding is rows, a line on every
page and a message to every channel, so a host gets so many at once and so many an hour, and is named for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.agents import of_host
from chainwatch_collector.judge.answer import Severity
from chainwatch_collector.judge.condition import Condition, host_source
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.track.state import HostState, PoolState
from chainwatch_collector.words import plural

AT_ONCE: Final = 200
"""Of one host, told and open. Without an inventory everything is strange: far more than a host in trouble tells."""
AN_HOUR: Final = 20
_ORDER: Final[Mapping[Severity, int]] = {"error": 0, "warning": 1, "info": 2}


@dataclass(slots=True)
class _Room:
    """How many a host may still add."""

    left: float = AT_ONCE
    at: datetime | None = None

    def refill(self, now: datetime) -> None:
        if self.at is not None:
            hours = max(0.0, (now - self.at).total_seconds() / 3600)
            self.left = min(float(AT_ONCE), self.left + AN_HOUR * hours)
        self.at = now


@dataclass(slots=True)
class Strangers:
    """One a judge. What was told once stays until it is over; what had no room comes as soon as there is some."""

    _rooms: dict[str, _Room] = field(default_factory=dict)

    def admitted(
        self, state: PoolState, conditions: Iterable[Condition], known: Mapping[str, object], limits: Thresholds
    ) -> list[Condition]:
        """Those to be told, and of each host that had no room for its own one more. `known`: by id, as told before."""
        proved = _Proved(state)
        told: list[Condition] = []
        asking: dict[str, list[tuple[str, Condition]]] = {}
        for condition in conditions:
            host = proved.stranger_of(condition)
            if host is None:
                told.append(condition)
            else:
                asking.setdefault(host, []).append((condition.finding_id(state.pool_uuid), condition))
        for host, its in asking.items():
            told += self._of_host(state, host, its, known, limits)
        return told

    def _of_host(
        self,
        state: PoolState,
        host: str,
        asking: list[tuple[str, Condition]],
        known: Mapping[str, object],
        limits: Thresholds,
    ) -> Iterator[Condition]:
        before = {found: condition for found, condition in reversed(asking) if found in known}
        yield from before.values()
        new = {found: condition for found, condition in reversed(asking) if found not in known}
        room = self._rooms.setdefault(host, _Room())
        room.refill(state.now)
        fitting = min(int(room.left), AT_ONCE - len(before))
        in_order = sorted(new.items(), key=lambda item: (_ORDER[item[1].severity], item[1].since, item[0]))
        chosen = in_order[: max(0, fitting)]
        room.left -= len(chosen)
        yield from (condition for _, condition in chosen)
        seen = state.hosts.get(host)
        if len(new) > len(chosen) and seen is not None:
            yield _left_out(seen, len(new) - len(chosen), state.now, limits)


def _left_out(host: HostState, count: int, now: datetime, limits: Thresholds) -> Condition:
    made = of_host(
        host,
        "AGENT_MISBEHAVES",
        "warning",
        f"The log of {host.name} tells of more troubles with SRs and images that XenAPI does not show than anybody can"
        f" look at: {plural(count, 'finding')} of them {'is' if count == 1 else 'are'} left out.",
        now,
        seen_through_agent=False,
        clear_seconds=limits.agent_misbehaves_seconds,
    )
    return replace(made, key="left out")


class _Proved:
    """Which SRs and images the inventory has."""

    def __init__(self, state: PoolState) -> None:
        self._state = state
        self._images: dict[str, frozenset[str]] = {}

    def stranger_of(self, condition: Condition) -> str | None:
        """The host whose word alone it rests on; None where the inventory has what it is about, or offline."""
        if self._state.offline or not condition.sources or condition.sr_uuid is None:
            return None
        if any(not source.startswith(host_source("")) for source in condition.sources):
            return None
        if self._has(condition.sr_uuid, condition.vdis):
            return None
        told = {ref.host for ref in condition.evidence} & self._state.hosts.keys()
        return min(told or {source.removeprefix(host_source("")) for source in condition.sources})

    def _has(self, sr_uuid: str, vdis: frozenset[str]) -> bool:
        sr = self._state.srs.get(sr_uuid)
        if sr is None or sr.record is None or self._state.picture is None:
            return False
        if not vdis:
            return True
        images = self._images.get(sr_uuid)
        if images is None:
            images = self._images[sr_uuid] = _names(self._state.picture, sr.record.ref)
        return all(vdi[:8] in images for vdi in vdis if vdi)


def _names(picture: Picture, sr_ref: str) -> frozenset[str]:
    return frozenset(uuid[:8] for uuid in picture.vdis(sr_ref))
