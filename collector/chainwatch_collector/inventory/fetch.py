"""A pool's records over a session, into an `Assembly`: all of them, what an event batch brings, what got lost."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import XenAPI

from chainwatch_collector.inventory.assembly import KIND_OF_EVENT, Assembly
from chainwatch_collector.inventory.methods import CLASSES
from chainwatch_collector.inventory.problems import failure_code
from chainwatch_collector.inventory.records import Ref
from chainwatch_collector.inventory.session import EventBatch, PoolSession, Query, vdis_of

GONE = frozenset({"HANDLE_INVALID", "UUID_INVALID"})
_MOST_ROUNDS = 4


class StoppedError(Exception):
    """The collector stops; what was being fetched is not needed."""


def fetch_all(session: PoolSession, stopping: Callable[[], bool] = lambda: False) -> tuple[Assembly, str]:
    """Everything, and the token whose events continue it. Raises as calls do, and `StoppedError`.

    The token is taken before the first record is read: an event that was in already is applied twice, which is the
    same as once. VDIs are fetched SR by SR, so that the coordinator never has to build one reply of all of them.
    """
    assembly = Assembly()
    for ref, raw in session.records("pool"):
        assembly.put("pool", ref, raw)
    pool = assembly.pool
    token = str(session.call("event.inject", "pool", pool.ref if pool is not None else ""))
    with_vdis: list[Ref] = []
    for kind, records in session.record_sets(_queries(with_vdis)):
        for ref, raw in records:
            assembly.put(kind, ref, raw)
            if kind == "SR" and raw.get("VDIs") != []:
                with_vdis.append(ref)
        assembly.settle()
        _check(stopping)
    return assembly, token


def _queries(with_vdis: list[Ref]) -> Iterator[Query]:
    """Every class, VDIs last: by then `with_vdis` is what the SRs said."""
    for kind in CLASSES:
        if kind not in ("pool", "VDI"):
            yield Query(kind)
    for sr_ref in with_vdis:
        yield vdis_of(sr_ref)


def apply_batch(assembly: Assembly, batch: EventBatch) -> int:
    """Put and drop what the events say, in any order; how many there were."""
    for event in batch.events:
        kind, ref = KIND_OF_EVENT.get(str(event.get("class")).lower()), str(event.get("ref"))
        if kind is None:
            continue
        snapshot = event.get("snapshot")
        if event.get("operation") == "del":
            assembly.drop(kind, ref)
        elif isinstance(snapshot, Mapping):
            assembly.put(kind, ref, snapshot)
    return len(batch.events)


def complete(session: PoolSession, assembly: Assembly) -> None:
    """Fetch the records whose bitmaps are needed again, then settle."""
    for _ in range(_MOST_ROUNDS):
        needed = assembly.needed()
        if not needed:
            break
        for ref in needed:
            put_record(session, assembly, "VDI", ref)
    assembly.settle()


def differing(assembly: Assembly, counts: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """class -> (objects here, objects there) where they differ: xapi forgets deletions beyond the last few hundred."""
    here = {kind: (assembly.count(kind), counts.get(kind.lower(), -1)) for kind in CLASSES}
    return {kind: pair for kind, pair in here.items() if pair[1] >= 0 and pair[0] != pair[1]}


def repair(session: PoolSession, assembly: Assembly, kind: str) -> int:
    """Bring a class in line by its references; how many objects were wrong."""
    there = {str(ref) for ref in session.call(f"{kind}.get_all")}
    here = set(assembly.refs(kind))
    for ref in here - there:
        assembly.drop(kind, ref)
    for ref in there - here:
        put_record(session, assembly, kind, ref)
    return len(here ^ there)


def put_record(session: PoolSession, assembly: Assembly, kind: str, ref: Ref) -> None:
    """One object as it is now, or its absence."""
    record = read_or_gone(session, f"{kind}.get_record", ref)
    if isinstance(record, Mapping):
        assembly.put(kind, ref, record)
    else:
        assembly.drop(kind, ref)


def read_or_gone(session: PoolSession, method: str, ref_or_uuid: str) -> Any:
    """What the call returns, None where the object is gone."""
    try:
        return session.call(method, ref_or_uuid)
    except XenAPI.Failure as failure:
        if failure_code(failure) not in GONE:
            raise
        return None


def _check(stopping: Callable[[], bool]) -> None:
    if stopping():
        raise StoppedError
