"""Streams that were ended, or slowed, for a fault of their agent, as all collectors of a database know them."""

from typing import NamedTuple

from sqlalchemy import Connection, select

from chainwatch_collector.keep.streams import register_host
from chainwatch_collector.keep.tables import HOSTS
from chainwatch_collector.keep.trust_tables import AGENT_FAULTS
from chainwatch_collector.keep.upsert import upsert


class FaultRow(NamedTuple):
    """One run of faults of a host: `times` since `since_us`, the last one at `at_us`; in the order of the columns.

    `slowed`: it says too much, and was not ended for it.
    """

    host_uuid: str
    since_us: int
    at_us: int
    times: int
    slowed: bool
    text: str
    peer: str


def keep_fault(connection: Connection, fault: FaultRow, run_seconds: float) -> None:
    """Add `fault.times` to the host's run of faults, or begin one where the last is over. A unit for the `Writer`.

    A stream that is ended says more than one that is slowed.
    A host that never got as far as a Welcome is registered, so that it has a place where it can be named.
    """
    query = select(AGENT_FAULTS).where(AGENT_FAULTS.c.host_uuid == fault.host_uuid).with_for_update()
    before = connection.execute(query).one_or_none()
    if before is not None and fault.since_us - before.at_us < run_seconds * 1e6:
        if fault.slowed and not before.slowed:
            return
        if fault.slowed == before.slowed:
            fault = fault._replace(since_us=before.since_us, times=before.times + fault.times)
    upsert(connection, AGENT_FAULTS, [fault._asdict()])
    if connection.execute(select(HOSTS.c.id).where(HOSTS.c.uuid == fault.host_uuid)).one_or_none() is None:
        register_host(connection, fault.host_uuid, fault.at_us)


def faults(connection: Connection) -> list[FaultRow]:
    """The last run of faults of each host that had one. For `Readers`."""
    return [FaultRow(*row) for row in connection.execute(select(AGENT_FAULTS))]
