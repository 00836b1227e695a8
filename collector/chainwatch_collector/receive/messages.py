"""From messages to plain values, checked field by field. Pure; what is wrong is named with its field and the rule."""

import hashlib
from collections.abc import Sized

from chainwatch.v1 import evidence_pb2, ingest_service_pb2

from chainwatch_collector.keep.intake import (
    FileKey,
    FileSeenIn,
    GapIn,
    HelloIn,
    Item,
    ObservationIn,
    PolicyIn,
    SliceIn,
    SpanIn,
)
from chainwatch_collector.receive import limits


class MessageError(Exception):
    """A malformed message: `<field>: what is wrong, what is right`."""

    def __init__(self, field: str, wrong: str) -> None:
        super().__init__(f"{field}: {wrong}")


def hello_of(message: ingest_service_pb2.Hello, host_uuid: str, policy: ingest_service_pb2.Policy | None) -> HelloIn:
    """A Hello for `open_stream`. `policy` is the collector's part, None for the agent's floor alone."""
    for name in ("hostname", "machine_id", "boot_id", "agent_version", "timezone", "python", "sm_version"):
        _short(f"hello.{name}", getattr(message, name), 256)
    _few("hello.features", message.features, 64)
    _few("hello.logs", message.logs, limits.MAX_LOGS)
    if message.ByteSize() > limits.MAX_POLICY_BYTES:
        raise MessageError("hello", f"{message.ByteSize()} bytes, at most {limits.MAX_POLICY_BYTES}")
    policies = [policy_in(message.policy, None)]
    if policy is not None:
        policies.append(policy_in(message.policy, policy))
    return HelloIn(
        host_uuid=host_uuid,
        hostname=message.hostname,
        machine_id=message.machine_id[:64],
        agent_epoch=message.agent_epoch,
        agent_version=message.agent_version,
        python=message.python,
        sm_version=message.sm_version,
        timezone=message.timezone,
        utc_offset_seconds=message.utc_offset_seconds,
        features=tuple(word for word in message.features if word.isprintable() and word and " " not in word),
        agent_clock_us=_time("hello.agent_clock_us", message.agent_clock_us),
        policies=tuple(policies),
    )


def policy_in(floor: ingest_service_pb2.Policy, policy: ingest_service_pb2.Policy | None) -> PolicyIn:
    """The policy in force when the collector's part is `policy`, with the identity it is stored under."""
    both = ingest_service_pb2.Policy(policy_id=policy.policy_id if policy else 0)
    both.logs.extend(floor.logs)
    both.logs.extend(policy.logs if policy else ())
    body = both.SerializeToString(deterministic=True)
    return PolicyIn(both.policy_id, hashlib.sha256(body).digest(), body)


def item_of(message: ingest_service_pb2.AgentMessage, policy_rows: dict[int, int]) -> Item | None:
    """What a message after the Hello carries; None for a body this version does not know. Raises `MessageError`."""
    body = message.WhichOneof("body")
    if body == "span":
        return _span(message.span, policy_rows)
    if body == "samples":
        return _samples(message.samples)
    if body == "status":
        return _status(message.status)
    if body == "file_seen":
        return _file_seen(message.file_seen)
    if body == "gap":
        return _gap(message.gap)
    if body == "hello":
        raise MessageError("hello", "came a second time; a stream has one")
    return None


def _file_seen(message: evidence_pb2.FileSeen) -> FileSeenIn:
    _path("file_seen.log", message.log)
    _short("file_seen.name", message.name, limits.MAX_NAME_BYTES)
    if len(message.first_line) > limits.MAX_FIRST_LINE_BYTES:
        raise MessageError(
            "file_seen.first_line", f"{len(message.first_line)} bytes, at most {limits.MAX_FIRST_LINE_BYTES}"
        )
    return FileSeenIn(
        key=_key("file_seen.file", message.file),
        predecessor=_key("file_seen.predecessor", message.predecessor) if message.HasField("predecessor") else None,
        log=message.log,
        name=message.name,
        first_line=message.first_line,
        mtime_us=_time("file_seen.mtime_us", message.mtime_us),
        compressed=message.compressed,
    )


def _span(message: evidence_pb2.Span, policy_rows: dict[int, int]) -> SpanIn:
    start, end = _offset("span.from_offset", message.from_offset), _offset("span.to_offset", message.to_offset)
    if end <= start:
        raise MessageError("span.to_offset", f"{end} is not behind from_offset {start}")
    if len(message.tail_sha256) != 32:
        raise MessageError("span.tail_sha256", f"{len(message.tail_sha256)} bytes, a SHA-256 has 32")
    policy_row = policy_rows.get(message.policy_id)
    if policy_row is None:
        raise MessageError("span.policy_id", f"{message.policy_id} was never given to this stream")
    return SpanIn(
        key=_key("span.file", message.file),
        from_offset=start,
        to_offset=end,
        policy_row=policy_row,
        slices=_slices(message.slices, start, end),
        tail_sha256=message.tail_sha256,
        read_at_us=_time("span.read_at_us", message.read_at_us),
        scrubbed=message.scrubbed,
    )


def _slices(columns: evidence_pb2.Slices, start: int, end: int) -> tuple[SliceIn, ...]:
    skipped, sizes, data = columns.skipped_bytes, columns.size_bytes, columns.data
    if len(skipped) != len(sizes):
        raise MessageError("span.slices.size_bytes", f"{len(sizes)} of them and {len(skipped)} of skipped_bytes")
    _few("span.slices.size_bytes", sizes, limits.MAX_SLICES)
    if sum(sizes) != len(data):
        raise MessageError("span.slices.data", f"{len(data)} bytes, size_bytes are {sum(sizes)} in all")
    slices: list[SliceIn] = []
    behind, taken = start, 0
    for number, (skip, size) in enumerate(zip(skipped, sizes, strict=True)):
        offset, part = behind + skip, data[taken : taken + size]
        behind, taken = offset + size, taken + size
        if not size or behind > end:
            raise MessageError(f"span.slices[{number}]", f"ends at {behind}, the span at {end}; or it is empty")
        if part[-1] != 0x0A and behind != end:
            raise MessageError(f"span.slices[{number}]", "does not end with a newline")
        if _has_longer_line(part, limits.MAX_LINE_BYTES):
            raise MessageError(f"span.slices[{number}]", f"has a line of more than {limits.MAX_LINE_BYTES} bytes")
        slices.append(SliceIn(offset, part))
    return tuple(slices)


def _gap(message: evidence_pb2.Gap) -> GapIn:
    _path("gap.log", message.log)
    _short("gap.detail", message.detail, limits.MAX_NAME_BYTES)
    has_end = message.HasField("before_file")
    if not has_end and not message.HasField("after_file") and not message.detail:
        raise MessageError("gap.before_file", "neither end of the gap is set, nor a detail")
    return GapIn(
        log=message.log,
        reason=int(message.reason) if 0 <= message.reason < 32_000 else 0,
        after=_key("gap.after_file", message.after_file) if message.HasField("after_file") else None,
        after_offset=_offset("gap.after_offset", message.after_offset),
        before=_key("gap.before_file", message.before_file) if has_end else None,
        before_offset=_offset("gap.before_offset", message.before_offset),
        missing_bytes=_offset("gap.missing_bytes", message.missing_bytes),
        detail=message.detail,
    )


def _samples(message: evidence_pb2.Samples) -> ObservationIn:
    _few("samples.processes", message.processes, limits.MAX_PROCESSES)
    _few("samples.ended", message.ended, limits.MAX_PROCESSES)
    return ObservationIn(
        kind="samples",
        agent_epoch=message.agent_epoch,
        seq=_seq("samples.seq", message.seq),
        at_us=_time("samples.at_us", message.at_us),
        empty=not message.processes and not message.ended,
        body=message.SerializeToString(),
    )


def _status(message: evidence_pb2.Status) -> ObservationIn:
    _few("status.problems", message.problems, limits.MAX_PROBLEMS)
    _few("status.counters", message.counters, limits.MAX_COUNTERS)
    _few("status.logs", message.logs, 4 * limits.MAX_LOGS)
    for name in ("gc_locks", "srs", "mounts"):
        _few(f"status.{name}", getattr(message, name), limits.MAX_PROCESSES)
    return ObservationIn(
        kind="status",
        agent_epoch=message.agent_epoch,
        seq=_seq("status.seq", message.seq),
        at_us=_time("status.at_us", message.at_us),
        empty=False,
        body=message.SerializeToString(),
    )


def _key(field: str, message: evidence_pb2.FileKey) -> FileKey:
    if len(message.fingerprint) != 32:
        raise MessageError(f"{field}.fingerprint", f"{len(message.fingerprint)} bytes, a SHA-256 has 32")
    if message.salt > 1_000_000:
        raise MessageError(f"{field}.salt", f"{message.salt}, at most 1000000")
    return FileKey(message.fingerprint, message.salt)


def _offset(field: str, value: int) -> int:
    if value >= limits.MAX_OFFSET:
        raise MessageError(field, f"{value} is beyond any file")
    return value


def _seq(field: str, value: int) -> int:
    if not 0 < value < limits.MAX_OFFSET:
        raise MessageError(field, f"{value}: it counts from 1")
    return value


def _time(field: str, value: int) -> int:
    if not 0 <= value < 1 << 56:
        raise MessageError(field, f"{value} is no time in microseconds since 1970")
    return value


def _short(field: str, value: str, most: int) -> None:
    if len(value) > most:
        raise MessageError(field, f"{len(value)} characters, at most {most}")
    if "\x00" in value:
        raise MessageError(field, "has a NUL character")


def _path(field: str, value: str) -> None:
    _short(field, value, limits.MAX_NAME_BYTES)
    if not value.startswith("/"):
        raise MessageError(field, f"{value[:64]!r} is no absolute path")


def _few(field: str, values: Sized, most: int) -> None:
    if len(values) > most:
        raise MessageError(field, f"{len(values)} entries, at most {most}")


def _has_longer_line(data: bytes, most: int) -> bool:
    at = 0
    while len(data) - at > most:
        end = data.rfind(b"\n", at, at + most + 1)
        if end < 0:
            return True
        at = end + 1
    return False
