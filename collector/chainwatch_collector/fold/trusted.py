"""What the database knows of who may speak for a host: refused dom0s, revoked hosts, agents that break the rules."""

from sqlalchemy import Connection

from chainwatch_collector.keep.faults import faults
from chainwatch_collector.keep.health import revocations
from chainwatch_collector.keep.rows import from_us
from chainwatch_collector.keep.streams import duplicates
from chainwatch_collector.track.observations import AgentFaults, DuplicateRefused, Revocation, TrustSeen


def trust_seen(connection: Connection) -> TrustSeen:
    """For `Readers`; the same for every collector of the database."""
    refused = {}
    for row in duplicates(connection):
        at = from_us(row.at_us)
        assert at is not None
        refused[row.host_uuid] = DuplicateRefused(
            host_uuid=row.host_uuid,
            at=at,
            live_machine_id=row.live_machine_id,
            machine_id=row.machine_id,
            hostname=row.hostname,
            peer=row.peer,
        )
    revoked = {uuid: Revocation(at=at, by=by) for uuid, (at, by) in revocations(connection).items()}
    return TrustSeen(duplicates=refused, revoked=revoked, faults=_faults(connection))


def _faults(connection: Connection) -> dict[str, AgentFaults]:
    found = {}
    for row in faults(connection):
        since, at = from_us(row.since_us), from_us(row.at_us)
        assert since is not None
        assert at is not None
        found[row.host_uuid] = AgentFaults(
            since=since, at=at, times=row.times, text=row.text, peer=row.peer, slowed=bool(row.slowed)
        )
    return found
