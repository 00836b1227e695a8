"""Tasks and forecasts as views."""

from collections.abc import Iterator

from chainwatch_collector.backups.seen import Foreseen, TaskSeen
from chainwatch_collector.backups.task_names import kind_of
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Task
from chainwatch_collector.judge.forecast_words import sentence
from chainwatch_collector.live.board import Board
from chainwatch_collector.live.pools import pool_name
from chainwatch_collector.show.views import Forecast, Subject, TaskView
from chainwatch_collector.track.state import PoolState


def task_views(board: Board) -> list[TaskView]:
    """Pending tasks of every pool, oldest first; those that the fold has not looked at yet are not judged."""
    views: list[TaskView] = []
    for pool, picture in board.pictures.items():
        state = board.states.get(pool)
        seen = {task.ref: task for task in state.backups.tasks} if state is not None else {}
        name = pool_name(board, pool)
        for task in picture.tasks.values():
            if task.status == "pending" and task.created_at is not None:
                views.append(_task((pool, name), picture, task, seen.get(task.ref)))
    return sorted(views, key=lambda view: (view.created_at, view.uuid))


def _task(pool: tuple[str, str], picture: Picture, task: Task, seen: TaskSeen | None) -> TaskView:
    assert task.created_at is not None
    host = picture.hosts.get(task.resident_on_ref or "")
    return TaskView(
        uuid=task.uuid,
        name=task.name,
        kind=kind_of(task.name),
        pool_uuid=pool[0],
        pool_name=pool[1],
        created_at=task.created_at,
        progress=task.progress,
        moving=seen.moving if seen is not None else None,
        detail=f"ghost: {seen.ghost}" if seen is not None and seen.ghost else task.description,
        host_name=host.name if host is not None else "",
        subject=_subject(pool[0], picture, task, seen),
        rate_bytes_per_second=seen.rate_bytes_per_second if seen is not None else None,
        eta_seconds=seen.eta_seconds if seen is not None else None,
        creator=task.creator,
        ghost=seen is not None and bool(seen.ghost),
    )


def _subject(pool: str, picture: Picture, task: Task, seen: TaskSeen | None) -> Subject | None:
    sr = picture.srs.get(task.applies_to_ref or "")
    if sr is None and seen is not None and seen.sr_uuid is not None:
        sr = picture.sr_by_uuid(seen.sr_uuid)
    return Subject("sr", sr.uuid, sr.name, pool) if sr is not None else None


def forecasts(board: Board, subject: Subject | None) -> list[Forecast]:
    """Of every pool, or what concerns an SR, a chain (its leaf) or a pool. The silent ones only where asked for."""
    found: list[Forecast] = []
    for pool, state in board.states.items():
        for one in state.backups.foreseen:
            if _concerns(one, subject, pool) and (one.at is not None or subject is not None):
                found.append(_forecast(one, pool, state))
    return found


def _concerns(one: Foreseen, subject: Subject | None, pool: str) -> bool:
    if subject is None:
        return True
    return subject.uuid in (one.uuid, one.sr_uuid) or (subject.kind == "pool" and subject.uuid == pool)


def _forecast(one: Foreseen, pool: str, state: PoolState) -> Forecast:
    sr = state.srs.get(one.sr_uuid)
    kind = "vdi" if one.kind == "chain_limit" else "sr"
    name = (sr.vdi_name(one.uuid) if kind == "vdi" else sr.name) if sr is not None else ""
    return Forecast(
        subject=Subject(kind, one.uuid, name or one.uuid, pool),
        what=one.kind,
        sentence=sentence(one),
        at=one.at,
        earliest_at=one.earliest_at,
        latest_at=one.latest_at,
    )


def forecasts_of_vm(board: Board, subject: Subject) -> Iterator[Forecast]:
    """Of the chains of a VM's disks."""
    picture = board.pictures.get(subject.pool_uuid or "")
    state = board.states.get(subject.pool_uuid or "")
    if picture is None or state is None:
        return
    vms = {vm.ref for vm in picture.vms.values() if vm.uuid == subject.uuid}
    disks = {vbd.vdi_ref for vbd in picture.vbds.values() if vbd.vm_ref in vms}
    uuids = {vdi.uuid for vdi in picture.all_vdis() if vdi.ref in disks}
    for one in state.backups.foreseen:
        if one.kind == "chain_limit" and one.uuid in uuids:
            yield _forecast(one, subject.pool_uuid or "", state)
