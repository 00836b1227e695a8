"""What a name, a uuid or a uuid's beginning means: pools, hosts, SRs, VDIs, VMs, tasks of every pool."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from chainwatch_collector.inventory.records import Vdi
from chainwatch_collector.live.board import Board
from chainwatch_collector.live.pools import pool_views
from chainwatch_collector.show.views import Subject, SubjectKind, UnknownSubjectError

_PREFIX: Final = 8
_CANDIDATES: Final = 20
_DASHED: Final = 36
Thing = tuple[str, str, str, str | None]
"""(kind, uuid, name, pool)."""


def find(board: Board, text: str, kinds: Sequence[SubjectKind] = ()) -> Subject:
    """The one subject that fits. An exact uuid or name goes before a beginning. Raises `UnknownSubjectError`."""
    wanted = text.strip()
    lowered = wanted.lower()
    if len(lowered) == _DASHED:
        exact = by_uuids(board, frozenset({lowered}), kinds)
        if exact:
            return _one(text, exact)
    named = _named(board, frozenset(kinds), wanted)
    if named:
        return _one(text, named)
    begins = _beginning(board, frozenset(kinds), lowered) if len(lowered) >= _PREFIX else []
    return _one(text, begins or _of_backups(board, frozenset(kinds), wanted))


def _of_backups(board: Board, kinds: frozenset[str], text: str) -> list[Subject]:
    """Backup jobs and their targets, by their whole name or uuid: what else is called so goes before them."""
    found = []
    for pool, state in board.states.items():
        for job in state.backups.jobs:
            if job.home and (not kinds or "job" in kinds):
                found.append(Subject("job", job.uuid, job.name, pool))
            if job.home and (not kinds or "remote" in kinds):
                found += [Subject("remote", target.uuid, target.name, pool) for target in job.targets]
    return [one for one in found if text in (one.uuid, one.name)]


def by_uuids(board: Board, uuids: frozenset[str], kinds: Sequence[SubjectKind] = ()) -> list[Subject]:
    """The things with these uuids, in one pass however many they are; VDIs are looked up, not searched."""
    wanted = frozenset(kinds)
    found = [Subject(*thing) for thing in _but_vdis(board, wanted) if thing[1] in uuids]
    for pool, vdis in _vdis(board, wanted):
        found += [Subject("vdi", uuid, vdis[uuid].name, pool) for uuid in vdis.keys() & uuids]
    return found


def _named(board: Board, kinds: frozenset[str], name: str) -> list[Subject]:
    found = [Subject(*thing) for thing in _but_vdis(board, kinds) if thing[2] == name]
    for pool, vdis in _vdis(board, kinds):
        found += [Subject("vdi", vdi.uuid, vdi.name, pool) for vdi in vdis.values() if vdi.name == name]
    return found


def _beginning(board: Board, kinds: frozenset[str], prefix: str) -> list[Subject]:
    found = [Subject(*thing) for thing in _but_vdis(board, kinds) if thing[1].startswith(prefix)]
    for pool, vdis in _vdis(board, kinds):
        found += [Subject("vdi", uuid, vdis[uuid].name, pool) for uuid in vdis if uuid.startswith(prefix)]
    return found


def _one(text: str, found: list[Subject]) -> Subject:
    unique = list(dict.fromkeys(found))
    if len(unique) != 1:
        raise UnknownSubjectError(text, unique[:_CANDIDATES])
    return unique[0]


def _vdis(board: Board, kinds: frozenset[str]) -> Iterator[tuple[str, Mapping[str, Vdi]]]:
    """(pool, uuid → VDI) of every SR: there are tens of thousands, so nothing is made for those that do not fit."""
    if not kinds or "vdi" in kinds:
        for pool, picture in board.pictures.items():
            for vdis in picture.vdis_by_sr.values():
                yield pool, vdis


def _but_vdis(board: Board, kinds: frozenset[str]) -> Iterator[Thing]:
    """What is in several places of one pool comes several times."""
    if not kinds or "pool" in kinds:
        yield from (("pool", view.uuid, view.name, view.uuid) for view in pool_views(board))
    if not kinds or kinds & {"host", "agent"}:
        yield from _hosts(board)
    for pool, picture in board.pictures.items():
        if not kinds or "sr" in kinds:
            yield from (("sr", sr.uuid, sr.name, pool) for sr in picture.srs.values())
        if not kinds or "vm" in kinds:
            guests = (vm for vm in picture.vms.values() if not (vm.is_control_domain or vm.is_a_snapshot))
            yield from (("vm", vm.uuid, vm.name, pool) for vm in guests)
        if not kinds or "task" in kinds:
            yield from (("task", task.uuid, task.name, pool) for task in picture.tasks.values())
    if not kinds or "sr" in kinds:
        yield from _logged_srs(board)


def _hosts(board: Board) -> Iterator[Thing]:
    pictured = set()
    for pool, picture in board.pictures.items():
        for host in picture.hosts.values():
            pictured.add(host.uuid)
            yield "host", host.uuid, host.name, pool
    for uuid, row in board.registered.hosts.items():
        if uuid not in pictured:
            yield "host", uuid, row.hostname or uuid, board.pool_of(uuid)


def _logged_srs(board: Board) -> Iterator[Thing]:
    """SRs that only logs know: of hosts in no pool, and of pools that were never asked."""
    for pool, state in board.states.items():
        for sr in state.srs.values():
            if sr.record is None:
                yield "sr", sr.uuid, sr.name or sr.uuid, pool
