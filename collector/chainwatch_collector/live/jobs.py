"""A backup job as a view: its VMs in every pool, its next run, and what its whole window needs of each SR."""

from collections.abc import Iterator, Mapping

from chainwatch_collector.backups.seen import BaseSeen, JobSeen
from chainwatch_collector.chains.pool_index import PoolIndex
from chainwatch_collector.chains.space import free_bytes
from chainwatch_collector.chains.window import SrWindow, windows
from chainwatch_collector.judge.leaf_sizes import leaf_sizes
from chainwatch_collector.live.board import Board
from chainwatch_collector.show.views import JobView, JobWindow, Subject, UnknownSubjectError
from chainwatch_collector.track.state import PoolState
from chainwatch_collector.words import plural, size


def job_view(board: Board, text: str) -> JobView:
    """The job of this name or id. Raises `UnknownSubjectError`, with the names there are."""
    seen = {pool: job for pool, state in board.states.items() for job in state.backups.jobs if _is(job, text)}
    if len({job.uuid for job in seen.values()}) != 1:
        known = {job.uuid: job.name for state in board.states.values() for job in state.backups.jobs}
        raise UnknownSubjectError(text, [Subject("job", uuid, name, None) for uuid, name in sorted(known.items())])
    job = next(iter(seen.values()))
    vms = {pool: frozenset(one.vms) for pool, one in seen.items()}
    found = [window for pool in seen for window in _windows(board, pool, vms[pool])]
    whole = [base for pool, one in seen.items() for base in _whole(board.states[pool], one)]
    return JobView(
        uuid=job.uuid,
        name=job.name,
        sentence=" ".join((_sentence(job, found, whole), *_full_targets(board, job))),
        next_at=job.next_at,
        vms={pool: tuple(sorted(uuids)) for pool, uuids in vms.items()},
        windows=tuple(found),
        full_bytes=sum(base.full_bytes for base in whole),
        empty=job.empty,
    )


def _is(job: JobSeen, text: str) -> bool:
    return text in (job.name, job.uuid)


def _windows(board: Board, pool: str, vms: frozenset[str]) -> Iterator[JobWindow]:
    """What the snapshots of all its VMs need together; SRs of which nothing is known are left out."""
    state, picture = board.states[pool], board.pictures.get(pool)
    if picture is None or not vms:
        return
    index = PoolIndex(picture)
    chosen = [vm for vm in picture.vms.values() if vm.uuid in vms]
    for found in windows(index, chosen, leaf_sizes(state.srs.values())).values():
        yield _window(pool, found)


def _window(pool: str, found: SrWindow) -> JobWindow:
    refusal = found.snapshots or found.merges
    need = found.need.total if found.snapshots is None else found.need.snapshots
    return JobWindow(
        sr_uuid=found.sr.uuid,
        sr_name=found.sr.name,
        pool_uuid=pool,
        disks=found.disks,
        need_bytes=(need.low, need.high),
        free_bytes=free_bytes(found.sr),
        answer="ok" if refusal is None else "refused" if refusal.certain and found.snapshots else "at_risk",
    )


def _full_targets(board: Board, job: JobSeen) -> list[str]:
    """What is said of its remotes without room: no window helps a backup that cannot be written."""
    remotes = {target.uuid for target in job.targets}
    findings = (finding for answer in board.answers.values() for finding in answer.findings)
    return [one.summary for one in findings if one.code == "BACKUP_TARGET_FULL" and one.subject.uuid in remotes]


def _whole(state: PoolState, job: JobSeen) -> list[BaseSeen]:
    """The bases that make the next run a full one."""
    mine: Mapping[str, None] = dict.fromkeys(job.vms)
    of_job = {job.uuid, job.name}
    return [
        one for one in state.backups.bases if one.problem and one.vm_uuid in mine and {one.job, one.job_name} & of_job
    ]


def _sentence(job: JobSeen, found: list[JobWindow], whole: list[BaseSeen]) -> str:
    if job.empty:
        return f"Job '{job.name}' matches no VM: {job.empty}."
    parts = [f"Job '{job.name}' backs up {plural(job.total, 'VM')}"]
    tight = [window for window in found if window.answer != "ok"]
    if tight:
        worst = min(tight, key=lambda window: window.answer != "refused")
        low, high = worst.need_bytes
        where = f"SR '{worst.sr_name}', which has {size(worst.free_bytes)} free"
        parts.append(f"its window needs {size(low)} to {size(high)} on {where}")
    elif found:
        parts.append("its whole window has room on every SR")
    if whole:
        parts.append(f"{plural(len(whole), 'VM')} will be exported whole, {size(sum(one.full_bytes for one in whole))}")
    return "; ".join(parts) + "."
