"""What the collector says back, as messages: Welcome and Acks. Pure."""

from collections.abc import Sequence

from chainwatch.v1 import evidence_pb2, ingest_service_pb2

from chainwatch_collector.keep.intake import Committed, FileKey, StreamOpened
from chainwatch_collector.receive.limits import IngestLimits

FEATURES = ("samples", "status", "process-events", "policy", "evidence", "drain", "reopen")


def welcome_of(
    opened: StreamOpened,
    limits: IngestLimits,
    policy: ingest_service_pb2.Policy | None,
    version: str,
    now_us: int,
) -> ingest_service_pb2.Welcome:
    """The first answer on a stream whose epoch is durable: the positions, the limits, the policy."""
    welcome = ingest_service_pb2.Welcome(
        stream_epoch=opened.stream_epoch,
        limits=ingest_service_pb2.Limits(
            window_bytes=limits.window_bytes,
            max_message_bytes=limits.max_message_bytes,
            heartbeat_seconds=limits.heartbeat_seconds,
            sample_seconds=limits.sample_seconds,
        ),
        features=FEATURES,
        collector_version=version,
        collector_clock_us=now_us,
        policy=policy,
    )
    for position in opened.positions:
        welcome.positions.add(
            file=_key(position.key),
            to_offset=position.to_offset,
            tail_sha256=position.tail_sha256,
            ordinal=position.ordinal,
            log=position.log,
        )
    return welcome


def acks_of(committed: Committed) -> Sequence[ingest_service_pb2.Ack]:
    """One for each file that a durable commit touched; one without a file where there were observations alone."""
    acks = [
        ingest_service_pb2.Ack(
            file=_key(ack.key),
            to_offset=ack.to_offset,
            ordinal=ack.ordinal,
            observed_seq=committed.observed_seq,
            reopen_salt=ack.reopen_salt,
        )
        for ack in committed.acks
    ]
    if not acks and committed.observations:
        acks.append(ingest_service_pb2.Ack(observed_seq=committed.observed_seq))
    return acks


def _key(key: FileKey) -> evidence_pb2.FileKey:
    return evidence_pb2.FileKey(fingerprint=key.fingerprint, salt=key.salt)
