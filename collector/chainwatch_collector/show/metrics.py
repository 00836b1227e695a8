"""Prometheus metrics of the collector and all its agents, made anew at each scrape from the read model.

Labels are bounded by pools, SRs, hosts and codes: never a VDI, a VM or a text from a log. What is muted is not in
`chainwatch_finding`, so a mute silences the alert rules too.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from chainwatch_collector.show import compose
from chainwatch_collector.show.bodies import FindingBody, SrBody
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.views import AgentView
from chainwatch_collector.words import EXIT_CODES

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
STATUS_VALUES: Final = EXIT_CODES
"""0 ok, 1 warning, 2 error, 3 unknown: the exit codes of `chainwatch health`."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,60}")
_MAX_AGENT_COUNTERS: Final = 64


def exposition(scope: Scope, version: str) -> bytes:
    """The page that Prometheus scrapes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(list(families(scope, version))))
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def families(scope: Scope, version: str) -> Iterator[Metric]:
    bodies = compose.findings(scope)
    rows = compose.srs(scope, bodies)
    yield InfoMetricFamily("chainwatch_build", "The collector's version.", value={"version": version})
    yield from _pools(scope, rows, bodies)
    yield from _findings(bodies)
    yield from _srs(rows)
    yield from _merges(scope)
    yield from _verdicts(scope)
    yield from _agents(scope.agents())
    yield from _own(scope)


def _pools(scope: Scope, rows: Sequence[SrBody], bodies: Sequence[FindingBody]) -> Iterator[Metric]:
    status = GaugeMetricFamily(
        "chainwatch_health_status", "Worst of the pool: 0 ok, 1 warning, 2 error, 3 unknown.", labels=["pool"]
    )
    reachable = GaugeMetricFamily("chainwatch_pool_reachable", "1 while XenAPI answers.", labels=["pool"])
    age = GaugeMetricFamily("chainwatch_answer_age_seconds", "Age of the pool's newest answer.", labels=["pool"])
    now = scope.model.now()
    for body in compose.pool_bodies(scope, rows, bodies):
        status.add_metric([body.pool.name], STATUS_VALUES[body.status])
        reachable.add_metric([body.pool.name], body.pool.reachable)
        if body.pool.as_of is not None:
            age.add_metric([body.pool.name], max(0.0, (now - body.pool.as_of).total_seconds()))
    yield from (status, reachable, age)


def _findings(bodies: Sequence[FindingBody]) -> Iterator[Metric]:
    labels = ["code", "severity", "pool", "sr", "sr_uuid", "root"]
    present = {body.id for body in bodies}
    tally: Counter[tuple[str, ...]] = Counter()
    muted: Counter[tuple[str, str]] = Counter()
    for body in bodies:
        if body.muted is not None:
            muted[body.code, body.pool_name] += 1
            continue
        on_sr = body.subject.name if body.subject.kind == "sr" else ""
        root = "no" if present.intersection(body.because) else "yes"
        tally[body.code, body.severity, body.pool_name, on_sr, body.sr_uuid or "", root] += 1
    family = GaugeMetricFamily("chainwatch_finding", "Open findings; root=no hangs below another one.", labels=labels)
    for key, count in sorted(tally.items()):
        family.add_metric(list(key), count)
    yield family
    silenced = GaugeMetricFamily("chainwatch_finding_muted", "Findings that a mute silences.", labels=["code", "pool"])
    for (code, pool), count in sorted(muted.items()):
        silenced.add_metric([code, pool], count)
    yield silenced


_SR_GAUGES: Final = (
    ("chainwatch_sr_free_ratio", "Free share of the SR.", "free_ratio"),
    ("chainwatch_chain_depth_max", "Nodes of the deepest chain; SM refuses at 30.", "depth_max"),
    ("chainwatch_coalesce_inner_pending_vdis", "Nodes that SM would merge into their parent.", "inner_pending"),
    ("chainwatch_coalesce_leaf_pending_vdis", "Leaves that SM would merge into their parent.", "leaf_pending"),
    ("chainwatch_coalesce_blocked_vdis", "Nodes whose merge something keeps from happening.", "blocked"),
    ("chainwatch_chain_kept_vdis", "Nodes that a snapshot or clone needs.", "kept"),
    ("chainwatch_garbage_vdis", "Images that wait for deletion.", "garbage"),
    ("chainwatch_coalesce_backlog_bytes", "Bytes that the pending merges copy.", "bytes_to_merge"),
)


def _srs(rows: Sequence[SrBody]) -> Iterator[Metric]:
    """What is not known has no sample: a gap in the graph, never a zero."""
    labels = ["pool", "sr", "sr_uuid"]
    for name, text, attribute in _SR_GAUGES:
        family = GaugeMetricFamily(name, text, labels=labels)
        for row in rows:
            value = getattr(row, attribute)
            if value is not None:
                family.add_metric([row.pool_name, row.name, row.uuid], value)
        yield family
    status = GaugeMetricFamily(
        "chainwatch_sr_status", "0 ok, 1 warning, 2 error, 3 unknown.", labels=[*labels, "state"]
    )
    last = GaugeMetricFamily("chainwatch_coalesce_last_timestamp_seconds", "When the last merge ended.", labels=labels)
    for row in rows:
        status.add_metric([row.pool_name, row.name, row.uuid, row.state], STATUS_VALUES[row.status])
        if row.last_merge_at is not None:
            last.add_metric([row.pool_name, row.name, row.uuid], row.last_merge_at.timestamp())
    yield from (status, last)


def _merges(scope: Scope) -> Iterator[Metric]:
    names = scope.pool_names()
    running: Counter[tuple[str, str, str]] = Counter()
    rates: Counter[tuple[str, str, str]] = Counter()
    for merge in scope.merges():
        if merge.ended_at is None:
            key = (names.get(merge.pool_uuid, merge.pool_uuid), merge.sr_name, merge.sr_uuid)
            running[key] += 1
            rates[key] += int(merge.rate_bytes_per_second or 0)
    labels = ["pool", "sr", "sr_uuid"]
    count = GaugeMetricFamily("chainwatch_coalesce_running", "Merges running now.", labels=labels)
    speed = GaugeMetricFamily("chainwatch_coalesce_bytes_per_second", "Rate of the running merges.", labels=labels)
    for key, number in sorted(running.items()):
        count.add_metric(list(key), number)
        speed.add_metric(list(key), rates[key])
    yield from (count, speed)


def _verdicts(scope: Scope) -> Iterator[Metric]:
    names = scope.pool_names()
    tally: Counter[tuple[str, str, str]] = Counter()
    for pool, answer in scope.answers().items():
        for verdict in answer.verdicts:
            tally[names.get(pool, pool), "snapshot", verdict.snapshot] += 1
            tally[names.get(pool, pool), "backup", verdict.backup] += 1
    family = GaugeMetricFamily("chainwatch_vms", "VMs by verdict.", labels=["pool", "for", "verdict"])
    for key, count in sorted(tally.items()):
        family.add_metric(list(key), count)
    yield family


def _agents(agents: Sequence[AgentView]) -> Iterator[Metric]:
    labels = ["host", "host_uuid", "pool"]
    up = GaugeMetricFamily("chainwatch_agent_up", "1 while the agent reports.", labels=[*labels, "state"])
    lag = GaugeMetricFamily("chainwatch_agent_lag_seconds", "Age of its newest committed evidence.", labels=labels)
    gaps = GaugeMetricFamily("chainwatch_agent_gaps", "Declared gaps in its evidence.", labels=labels)
    expires = GaugeMetricFamily(
        "chainwatch_agent_certificate_expiry_timestamp_seconds", "When its certificate ends.", labels=labels
    )
    for agent in agents:
        key = [agent.host_name, agent.host_uuid, agent.pool_name]
        up.add_metric([*key, agent.state], agent.state in ("reporting", "behind"))
        gaps.add_metric(key, agent.gaps)
        if agent.lag_seconds is not None:
            lag.add_metric(key, agent.lag_seconds)
        if agent.certificate_expires_at is not None:
            expires.add_metric(key, agent.certificate_expires_at.timestamp())
    yield from (up, lag, gaps, expires)
    yield from _agent_counters(agents, labels)


def _agent_counters(agents: Sequence[AgentView], labels: list[str]) -> Iterator[Metric]:
    """The agents' own counters by name; an agent can add names, but not without bound."""
    names = sorted({name for agent in agents for name in agent.counters if _NAME.fullmatch(name)})
    for name in names[:_MAX_AGENT_COUNTERS]:
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(f"chainwatch_agent_own_{name}", f"The agents' own {name}.", labels=labels)
        for agent in agents:
            value = agent.counters.get(name)
            if value is not None and math.isfinite(value):
                family.add_metric([agent.host_name, agent.host_uuid, agent.pool_name], value)
        yield family


def _own(scope: Scope) -> Iterator[Metric]:
    for name, value in sorted(scope.model.counters().items()):
        if _NAME.fullmatch(name) and name.startswith("chainwatch_"):
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield kind(name, "The collector's own.", value=value)
