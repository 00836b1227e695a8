"""Opening and closing a host's stream: the epoch, the positions, the policies. Units for the `Writer`."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from chainwatch_collector.keep.intake import (
    FileKey,
    HelloIn,
    PolicyIn,
    PositionOut,
    Refusal,
    StreamOpened,
)
from chainwatch_collector.keep.tables import FILES, HOSTS, LOGS, POLICIES
from chainwatch_collector.keep.trust_tables import HOST_DUPLICATES
from chainwatch_collector.keep.upsert import upsert

POSITIONS_PER_LOG = 64


class DuplicateRow(NamedTuple):
    """A dom0 that came with the certificate of a connected host, in the order of the table's columns."""

    host_uuid: str
    at_us: int
    live_machine_id: str
    machine_id: str
    hostname: str
    peer: str


def open_stream(
    connection: Connection, hello: HelloIn, now_us: int, live_seconds: float, peer: str = ""
) -> StreamOpened | Refusal:
    """Take the host's next stream epoch and say how far each file is committed, in one transaction.

    Refused as `duplicate host` where a stream of the same host, seen within `live_seconds` by any collector of the
    database, has another machine-id; that is kept, for whoever judges the host. `peer`: where the agent called from.
    """
    host = connection.execute(select(HOSTS).where(HOSTS.c.uuid == hello.host_uuid).with_for_update()).one_or_none()
    if host is None:
        host_id = register_host(connection, hello.host_uuid, now_us)
        epoch, observed_seq = 1, 0
    else:
        live = host.stream_open and now_us - host.last_seen_at_us < live_seconds * 1e6
        if live and host.machine_id and hello.machine_id and host.machine_id != hello.machine_id:
            _keep_duplicate(connection, hello, now_us, host.machine_id, peer)
            return Refusal(
                "duplicate host",
                f"a dom0 with machine-id {host.machine_id} is connected as host {hello.host_uuid}, this one has"
                f" {hello.machine_id}: one of them uses the other's certificate",
                host.machine_id,
            )
        host_id, epoch = host.id, host.stream_epoch + 1
        observed_seq = host.observed_seq if host.agent_epoch == str(hello.agent_epoch) else 0
    values = {
        "hostname": hello.hostname,
        "machine_id": hello.machine_id,
        "stream_epoch": epoch,
        "stream_open": True,
        "agent_epoch": str(hello.agent_epoch),
        "observed_seq": observed_seq,
        "agent_version": hello.agent_version,
        "python": hello.python,
        "sm_version": hello.sm_version,
        "timezone": hello.timezone,
        "utc_offset_seconds": hello.utc_offset_seconds,
        "features": " ".join(hello.features),
        "clock_skew_us": hello.agent_clock_us - now_us if hello.agent_clock_us else 0,
        "connected_at_us": now_us,
        "last_seen_at_us": now_us,
    }
    connection.execute(update(HOSTS).where(HOSTS.c.id == host_id).values(values))
    rows = {policy.policy_id: policy_row(connection, policy, now_us) for policy in hello.policies}
    return StreamOpened(host_id, epoch, observed_seq, positions(connection, host_id), rows)


def _keep_duplicate(connection: Connection, hello: HelloIn, now_us: int, live_machine_id: str, peer: str) -> None:
    row = DuplicateRow(hello.host_uuid, now_us, live_machine_id, hello.machine_id, hello.hostname, peer)
    upsert(connection, HOST_DUPLICATES, [row._asdict()])


def duplicates(connection: Connection) -> list[DuplicateRow]:
    """The last dom0 that was refused in each host's name. For `Readers`."""
    return [DuplicateRow(*row) for row in connection.execute(select(HOST_DUPLICATES))]


def close_stream(connection: Connection, host_id: int, stream_epoch: int, now_us: int) -> None:
    """The stream ended; nothing happens where a newer one has taken over."""
    connection.execute(
        update(HOSTS)
        .where(HOSTS.c.id == host_id, HOSTS.c.stream_epoch == stream_epoch)
        .values(stream_open=False, last_seen_at_us=now_us)
    )


class HostStanding(NamedTuple):
    """How a host's stream stands, wherever it ends. `stream_epoch` 0: there never was one."""

    stream_epoch: int
    stream_open: bool
    last_seen_at_us: int
    features: tuple[str, ...]


def host_standing(connection: Connection, host_uuid: str) -> HostStanding:
    """For `Readers`."""
    row = connection.execute(select(HOSTS).where(HOSTS.c.uuid == host_uuid)).one_or_none()
    if row is None:
        return HostStanding(0, False, 0, ())
    return HostStanding(row.stream_epoch, row.stream_open, row.last_seen_at_us, tuple(row.features.split()))


def close_all_streams(connection: Connection) -> None:
    """At the start of the only collector of a database: what is marked open was cut off by a crash."""
    connection.execute(update(HOSTS).where(HOSTS.c.stream_open).values(stream_open=False))


def positions(connection: Connection, host_id: int) -> list[PositionOut]:
    """The newest files of each log of a host, oldest first."""
    rows = connection.execute(
        select(FILES, LOGS.c.path)
        .join(LOGS, LOGS.c.id == FILES.c.log_id)
        .where(FILES.c.host_id == host_id)
        .order_by(LOGS.c.path, FILES.c.ordinal.desc())
    )
    newest: dict[str, list[PositionOut]] = {}
    for row in rows:
        of_log = newest.setdefault(row.path, [])
        if len(of_log) < POSITIONS_PER_LOG:
            key = FileKey(bytes(row.fingerprint), row.salt)
            of_log.append(PositionOut(key, row.to_offset, bytes(row.tail_sha256), row.ordinal, row.path))
    return [position for of_log in newest.values() for position in reversed(of_log)]


def policy_row(connection: Connection, policy: PolicyIn, now_us: int) -> int:
    """The row of a policy, made where there is none."""
    found = connection.execute(select(POLICIES.c.id).where(POLICIES.c.digest == policy.digest)).scalar()
    if found is not None:
        return int(found)
    made = connection.execute(
        insert(POLICIES).values(
            policy_id=policy.policy_id, digest=policy.digest, body=policy.body, first_used_at_us=now_us
        )
    )
    return _inserted_id(made.inserted_primary_key)


def log_row(connection: Connection, path: str) -> int:
    """The row of a log's path, made where there is none."""
    found = connection.execute(select(LOGS.c.id).where(LOGS.c.path == path)).scalar()
    if found is not None:
        return int(found)
    return _inserted_id(connection.execute(insert(LOGS).values(path=path)).inserted_primary_key)


def register_host(connection: Connection, host_uuid: str, now_us: int) -> int:
    """The row of a host that has none yet."""
    made = connection.execute(insert(HOSTS).values(uuid=host_uuid, registered_at_us=now_us))
    return _inserted_id(made.inserted_primary_key)


def _inserted_id(primary_key: Row[Any] | None) -> int:
    assert primary_key is not None
    return int(primary_key[0])
