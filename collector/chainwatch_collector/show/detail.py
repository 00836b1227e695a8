"""The bodies of one thing: an SR, a VM, a finding, `why`, and the lists of chains. Joining only, as in `compose`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from chainwatch_collector.judge.answer import Verdict
from chainwatch_collector.show import compose
from chainwatch_collector.show.bodies import (
    FindingBody,
    FindingDetailBody,
    SrBody,
    SrDetailBody,
    VerdictList,
    VmBody,
    WhyBody,
)
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.views import ChainNode, MergeView, NotAvailableError, Subject, UnknownSubjectError

HISTORY_DAYS = 30
RUNS_SHOWN = 100


def sr(scope: Scope, subject: Subject) -> SrDetailBody:
    """Raises `NotAvailableError` where its pool has no answer yet."""
    bodies = compose.findings(scope)
    row = _row(scope, subject, bodies)
    view = scope.model.srs().get(subject.uuid)
    why = scope.model.why(subject)
    answer = scope.answers()[row.pool_uuid]
    runs = sorted((run for run in answer.runs if run.sr_uuid == subject.uuid), key=lambda run: run.started_at)
    return SrDetailBody(
        sr=row,
        sentence=why.sentence,
        attachments=view.attachments if view else (),
        findings=tuple(body for body in bodies if body.sr_uuid == subject.uuid),
        merges=tuple(one for one in sorted(scope.merges(), key=merge_key) if one.sr_uuid == subject.uuid),
        runs=tuple(reversed(runs[-RUNS_SHOWN:])),
        rescan_prechecks=scope.model.rescan_prechecks(subject),
        as_of=why.as_of,
    )


def _row(scope: Scope, subject: Subject, bodies: Sequence[FindingBody]) -> SrBody:
    for row in compose.srs(scope, bodies, subject.uuid):
        return row
    raise NotAvailableError(f"there is no answer for {subject.name} yet", "its pool is being read; try again shortly")


def why(scope: Scope, subject: Subject) -> WhyBody:
    page = scope.model.why(subject)
    by_id = {body.id: body for body in compose.findings(scope)}
    return WhyBody(
        subject=page.subject,
        status=page.status,
        sentence=page.sentence,
        code=page.code,
        checks=page.checks,
        evidence=page.evidence,
        findings=tuple(by_id[one] for one in page.findings if one in by_id),
        as_of=page.as_of,
    )


async def finding(scope: Scope, finding_id: str) -> FindingDetailBody:
    """Raises `UnknownSubjectError` where no finding in sight has this id."""
    bodies = compose.findings(scope)
    for body in bodies:
        if body.id == finding_id:
            return await _finding_detail(scope, body, bodies)
    raise UnknownSubjectError(finding_id)


async def _finding_detail(scope: Scope, body: FindingBody, bodies: Sequence[FindingBody]) -> FindingDetailBody:
    since = scope.model.now() - timedelta(days=HISTORY_DAYS)
    subject = Subject(body.subject.kind, body.subject.uuid, body.subject.name, body.pool_uuid)
    moves = await scope.model.transitions(subject, since, 100)
    return FindingDetailBody(
        finding=body,
        causes=tuple(one for one in bodies if one.id in body.because),
        effects=tuple(compose.effects_of(body, bodies)),
        history=tuple(move for move in moves if move.code == body.code),
    )


VERDICT_RANK = {"refused": 0, "unknown": 1, "at_risk": 2, "ok": 3}


def verdicts(scope: Scope) -> list[tuple[str, Verdict]]:
    """(pool uuid, verdict), refused first."""
    found = [(pool, one) for pool, answer in scope.answers().items() for one in answer.verdicts]
    found.sort(key=lambda pair: verdict_key(pair[1]))
    return found


def verdict_key(one: Verdict) -> tuple[int | float | str, ...]:
    return (min(VERDICT_RANK[one.snapshot], VERDICT_RANK[one.backup]), one.name.lower(), one.vm)


def verdict(scope: Scope, subject: Subject) -> tuple[str, Verdict]:
    """Raises `NotAvailableError` where the VM has no verdict."""
    for pool, one in verdicts(scope):
        if one.vm == subject.uuid:
            return pool, one
    raise NotAvailableError(f"there is no verdict on {subject.name}", "it has no disk that SM keeps in a chain")


def job_verdicts(scope: Scope, text: str) -> VerdictList:
    """The verdicts of a job's VMs in sight. Raises `UnknownSubjectError` where none of its pools is."""
    job = scope.model.job(text)
    pools = [pool for pool in job.vms if scope.sees(pool)]
    if not pools:
        raise UnknownSubjectError(text)
    seen = replace(
        job,
        vms={pool: job.vms[pool] for pool in pools},
        windows=tuple(one for one in job.windows if one.pool_uuid in pools),
    )
    mine = {vm for pool in pools for vm in job.vms[pool]}
    return VerdictList(tuple(one for pool, one in verdicts(scope) if pool in pools and one.vm in mine), job=seen)


def vm(scope: Scope, subject: Subject) -> VmBody:
    pool, one = verdict(scope, subject)
    disks = {disk.vdi for disk in one.disks}
    uuids = disks | {subject.uuid}
    nodes = [node for vdi in sorted(disks) for node in _tree_of(scope, vdi, pool) if node.uuid == vdi]
    srs = {node.sr_uuid for node in nodes}
    found = compose.findings(scope)
    return VmBody(
        verdict=one,
        pool_uuid=pool,
        pool_name=scope.pool_names().get(pool, pool),
        findings=tuple(
            body for body in found if body.subject.uuid in uuids or (body.code in one.reasons and body.sr_uuid in srs)
        ),
        disks=tuple(nodes),
    )


def _tree_of(scope: Scope, vdi: str, pool: str) -> Sequence[ChainNode]:
    return scope.model.forest(Subject("vdi", vdi, vdi, pool)).nodes


def chains(scope: Scope, sr_uuid: str | None, deeper_than: int) -> list[ChainNode]:
    """The ends of all chains in sight, deepest first."""
    chosen = [one for one in scope.srs().values() if sr_uuid in (None, one.uuid)]
    ends = []
    for one in chosen:
        ends += [node for node in scope.model.chain_ends(one.uuid) if node.depth > deeper_than]
    ends.sort(key=chain_key)
    return ends


def chain_key(node: ChainNode) -> tuple[int | float | str, ...]:
    return (-node.depth, node.vm_name.lower(), node.name.lower(), node.uuid)


def merge_key(merge: MergeView) -> tuple[int | float | str, ...]:
    """Running ones first, then the newest."""
    return (merge.ended_at is not None, -merge.started_at.timestamp(), merge.child, merge.parent)
