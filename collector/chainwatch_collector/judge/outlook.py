"""Verdicts of all VMs as a judge keeps them: made anew when what they rest on changed, at most every few seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.answer import Finding, Verdict
from chainwatch_collector.judge.attach import StartRefused, starts
from chainwatch_collector.judge.condition import Condition
from chainwatch_collector.judge.known import gc_host_state, has_chains, revoked, silent
from chainwatch_collector.judge.leaf_sizes import leaf_sizes
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.judge.verdicts import VerdictSettings, verdicts
from chainwatch_collector.track.state import PoolState

Told = frozenset[tuple[str, str, str]]


@dataclass(slots=True)
class Outlook:
    """`verdicts`, and `starts` that would be refused, as last made from `picture` and from the findings in `told`."""

    verdicts: tuple[Verdict, ...] = ()
    starts: tuple[StartRefused, ...] = ()
    picture: Picture | None = None
    told: Told = frozenset()
    made_at: datetime | None = None
    unknown_srs: dict[str, str] = field(default_factory=dict)

    def of(
        self, state: PoolState, conditions: Sequence[Condition], lost: frozenset[str], now: datetime, limits: Thresholds
    ) -> tuple[Verdict, ...]:
        """The verdicts as of now."""
        picture = state.picture
        if picture is None or (picture.pool is None and not state.offline):
            return ()
        holding = [one for one in conditions if not one.sources & lost]
        told = frozenset((one.code, one.subject.uuid, one.severity) for one in holding)
        unknown = {} if state.offline else without_evidence(state, now, limits)
        if self._is_due(picture, told, unknown, now, limits):
            forests = {uuid: sr.forest for uuid, sr in state.srs.items() if sr.forest is not None}
            settings = VerdictSettings(
                max_uncoalesced_vdis=limits.xo_max_uncoalesced_vdis,
                near_limit_depth=limits.chain_near_limit_depth,
                max_depth=limits.chain_at_limit_depth,
            )
            sizes = leaf_sizes(state.srs.values())
            self.verdicts = verdicts(picture, forests, _provisional(holding), sizes, settings, now, unknown)
            self.starts = starts(picture)
            self.picture, self.told, self.unknown_srs, self.made_at = picture, told, unknown, now
        return self.verdicts

    def _is_due(self, picture: Picture, told: Told, unknown: dict[str, str], now: datetime, limits: Thresholds) -> bool:
        if self.made_at is None:
            return True
        age = (now - self.made_at).total_seconds()
        changed = picture is not self.picture or told != self.told or unknown != self.unknown_srs
        # Every thousand VMs take their time: large pools get their verdicts less often, not their findings.
        pause = limits.verdict_seconds * max(1.0, len(picture.vms) / 1000)
        return age >= min(pause if changed else limits.verdict_refresh_seconds, limits.verdict_refresh_seconds)


def without_evidence(state: PoolState, now: datetime, limits: Thresholds) -> dict[str, str]:
    """SR uuid → why nothing is known of its GC."""
    found: dict[str, str] = {}
    for uuid, sr in state.srs.items():
        host = gc_host_state(state, sr)
        if not has_chains(sr) or host is None:
            continue
        if host.last_seen_at is None:
            found[uuid] = "AGENT_MISSING"
        elif silent(host, now, limits):
            found[uuid] = "AGENT_REVOKED" if revoked(host) is not None else "AGENT_SILENT"
    return found


def _provisional(conditions: Iterable[Condition]) -> list[Finding]:
    """Findings enough for a verdict: what holds now, before causes and steps are known."""
    return [
        Finding(
            id="",
            because=(),
            code=one.code,
            severity=one.severity,
            stale=False,
            subject=one.subject,
            summary=one.summary,
            since=one.since,
            count=one.count,
            sr_uuid=one.sr_uuid,
        )
        for one in conditions
    ]
