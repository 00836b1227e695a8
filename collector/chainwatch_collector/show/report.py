"""One redacted text about one SR: everything a storage engineer would ask for, in the order he would ask."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from chainwatch_collector import words
from chainwatch_collector.show import detail
from chainwatch_collector.show.bodies import FindingBody, SrDetailBody
from chainwatch_collector.show.redact import redact
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.views import Event, EventQuery, Forest, HistoryPoint, Subject

EVENTS_SHOWN = 500
HISTORY_DAYS = 7


async def report_text(scope: Scope, subject: Subject) -> str:
    """Raises `NotAvailableError` where the SR has no answer yet."""
    now = scope.model.now()
    body = detail.sr(scope, subject)
    query = EventQuery(sr_uuid=subject.uuid, limit=EVENTS_SHOWN)
    events = await scope.model.events(query)
    points = await scope.model.history(subject, now - timedelta(days=HISTORY_DAYS), now)
    why = detail.why(scope, subject)
    parts = [
        *_head(scope, body),
        *_section("Why", _why_lines(why.sentence, [(c.name, c.status, c.detail) for c in why.checks])),
        *_section("Findings", _finding_lines(body.findings)),
        *_section("Chains", _forest_lines(scope.model.forest(subject))),
        *_section("Merges and runs", _run_lines(scope, body)),
        *_section(f"History, {HISTORY_DAYS} days", _history_lines(points)),
        *_section("Agents", _agent_lines(scope, body)),
        *_section(f"Evidence, newest {EVENTS_SHOWN}", _event_lines(events.items)),
    ]
    return redact("\n".join(parts)) + "\n"


def _head(scope: Scope, body: SrDetailBody) -> Iterator[str]:
    sr = body.sr
    yield f"chainwatch report on {sr.name} ({sr.uuid})"
    yield f"pool {sr.pool_name} ({sr.pool_uuid}), made {words.iso(scope.model.now())} for {scope.principal.name}"
    yield "secrets are masked; names, uuids and addresses are not"
    yield ""
    yield f"state     {words.STATE_WORDS.get(sr.state, sr.state)}"
    yield f"type      {sr.type or '?'}, {'shared' if sr.shared else 'local'}, GC host {sr.gc_host_name or '?'}"
    used, whole = words.size(sr.used_bytes), words.size(sr.size_bytes)
    yield f"space     {used} used of {whole}, {words.percent(sr.free_ratio)} free"
    pending = (sr.inner_pending, sr.leaf_pending, sr.kept, sr.blocked, sr.garbage)
    yield "nodes     {} inner pending, {} leaf pending, {} kept, {} blocked, {} garbage".format(*map(_known, pending))
    yield f"backlog   {words.size(sr.bytes_to_merge)} to merge, depth at most {_known(sr.depth_max)}"
    for one in body.attachments:
        yield f"pbd       {one.host_name}: {'attached' if one.attached else 'DETACHED'}, agent {one.agent}"


def _known(value: int | None) -> str:
    return "?" if value is None else str(value)


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield f"== {title} =="
    yield from list(lines) or ["none"]


def _why_lines(sentence: str, checks: list[tuple[str, str, str]]) -> Iterator[str]:
    yield sentence
    for name, status, text in checks:
        yield f"  {name:<34} {status.upper():<8} {text}"


def _finding_lines(findings: Iterable[FindingBody]) -> Iterator[str]:
    for body in findings:
        stale = ", stale" if body.stale else ""
        yield f"[{body.severity}] {body.code} on {body.subject.kind} {body.subject.name} ({body.subject.uuid})"
        yield f"  {body.summary} (since {words.clock(body.since)}, seen {body.count}×{stale}), id {body.id}"
        if body.because:
            yield f"  because of {', '.join(body.because)}"
        for line in body.evidence:
            yield f"  {words.clock(line.at)} {line.source}:{line.offset} {line.text}"
        for step in body.next:
            yield f"  next [{step.risk}] {step.text}" + (f": {step.command}" if step.command else "")


def _forest_lines(forest: Forest) -> Iterator[str]:
    for node in forest.nodes:
        owner = f" {node.vm_name} {node.device}".rstrip()
        sizes = f"{words.size(node.physical_bytes)} of {words.size(node.virtual_bytes)}"
        reason = f": {node.reason}" if node.reason else ""
        yield f"{'  ' * (node.depth - 1)}{node.uuid} {node.status}{owner}, {sizes}{reason}"
    if forest.truncated:
        yield f"… and {forest.truncated} more"


def _run_lines(scope: Scope, body: SrDetailBody) -> Iterator[str]:
    names = {agent.host_uuid: agent.host_name for agent in scope.agents()}
    for merge in body.merges:
        cause = f" ({merge.cause})" if merge.cause else ""
        yield f"{words.clock(merge.started_at)} {merge.kind} {merge.child} → {merge.parent}: {merge.outcome}{cause}"
    for run in body.runs:
        ended = words.clock(run.ended_at) if run.ended_at else "no end seen"
        where = names.get(run.host, run.host)
        yield f"{words.clock(run.started_at)} to {ended}: GC run, pid {run.pid} on {where}: {run.outcome}"


def _history_lines(points: Iterable[HistoryPoint]) -> Iterator[str]:
    for point in points:
        yield (
            f"{words.clock(point.at)} depth {_known(point.depth_max)}, pending {_known(point.pending)},"
            f" to merge {words.size(point.to_merge_bytes)}, free {words.percent(point.free_ratio)}"
        )


def _agent_lines(scope: Scope, body: SrDetailBody) -> Iterator[str]:
    hosts = {one.host_uuid for one in body.attachments} | {body.sr.gc_host_uuid}
    for agent in scope.agents():
        if agent.host_uuid in hosts:
            lag = words.duration(agent.lag_seconds)
            version = f"{agent.version or 'no agent'}, SM {agent.sm_version or 'unknown'}"
            yield f"{agent.host_name}: {agent.state}, {version}, lag {lag}"
            for problem in agent.problems:
                yield f"  {problem}"


def _event_lines(events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        mark = "~" if event.uncertain else " "
        yield f"{words.clock(event.at)}{mark} {event.host_name} {event.log}:{event.offset} [{event.kind}] {event.text}"
