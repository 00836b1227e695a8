"""From Samples and Status messages to the plain values that `track` folds in. Pure."""

from typing import cast, get_args

from chainwatch.v1 import evidence_pb2

from chainwatch_collector.keep.intake import ObservationIn
from chainwatch_collector.keep.rows import from_us
from chainwatch_collector.track.observations import (
    HostSeen,
    LockHeld,
    LogSeen,
    MountSeen,
    Observation,
    ProcessesObserved,
    ProcessGone,
    ProcessKind,
    ProcessSeen,
    SrRuntimeSeen,
    StatusObserved,
)

# In the order of the proto's numbers.
_KINDS = cast("tuple[ProcessKind, ...]", get_args(ProcessKind))


def observation_of(host_uuid: str, stored: ObservationIn) -> Observation:
    """The values of one stored observation."""
    if stored.kind == "samples":
        return samples_of(host_uuid, stored.body)
    return status_of(host_uuid, stored.body)


def samples_of(host_uuid: str, body: bytes) -> ProcessesObserved:
    """A serialised Samples message."""
    message = evidence_pb2.Samples.FromString(body)
    return ProcessesObserved(
        host_uuid=host_uuid,
        at=from_us(message.at_us),
        processes=tuple(_process(p) for p in message.processes),
        ended=tuple(_ended(e) for e in message.ended),
        dropped_total=message.dropped_total,
    )


def status_of(host_uuid: str, body: bytes) -> StatusObserved:
    """A serialised Status message."""
    message = evidence_pb2.Status.FromString(body)
    return StatusObserved(
        host_uuid=host_uuid,
        at=from_us(message.at_us),
        host=_host(message.host),
        locks=tuple(
            LockHeld(sr_uuid=m.sr_uuid, lock=m.lock, pid=m.pid, start_ticks=m.start_ticks, waiting=m.waiting)
            for m in message.gc_locks
        ),
        srs=tuple(_sr(m) for m in message.srs),
        mounts=tuple(
            MountSeen(
                sr_uuid=m.sr_uuid,
                mount_point=m.mount_point,
                fs_type=m.fs_type,
                source=m.source,
                read_only=m.read_only,
            )
            for m in message.mounts
        ),
        logs=tuple(
            LogSeen(
                path=m.path,
                size_bytes=m.size_bytes,
                mtime=from_us(m.mtime_us),
                read_to=m.read_to,
                problem=m.problem,
            )
            for m in message.logs
        ),
        counters=dict(message.counters),
        problems=tuple(message.problems),
        dropped_total=message.dropped_total,
    )


def _kind(number: int) -> ProcessKind:
    # A kind of a newer agent is a process all the same.
    return _KINDS[number] if 0 <= number < len(_KINDS) else "unknown"


def _process(m: evidence_pb2.ProcessSample) -> ProcessSeen:
    return ProcessSeen(
        pid=m.pid,
        ppid=m.ppid,
        start_ticks=m.start_ticks,
        kind=_kind(m.kind),
        sr_uuid=m.sr_uuid,
        vdi_uuid=m.vdi_uuid,
        parent_vdi_uuid=m.parent_vdi_uuid,
        command=m.command,
        image_path=m.image_path,
        read_bytes=max(m.read_bytes, m.rchar),
        write_bytes=max(m.write_bytes, m.wchar),
        state=m.state,
        wchan=m.wchan,
        started_at=from_us(m.started_at_us),
        ancestors=tuple(m.ancestors),
        gc_lock_sr_uuid=m.gc_lock_sr_uuid,
        cpu_seconds=m.cpu_seconds,
    )


def _ended(m: evidence_pb2.ProcessEnd) -> ProcessGone:
    return ProcessGone(
        pid=m.pid,
        start_ticks=m.start_ticks,
        kind=_kind(m.kind),
        sr_uuid=m.sr_uuid,
        vdi_uuid=m.vdi_uuid,
        seen_until=from_us(m.seen_until_us),
        exact=m.exact,
        exit_status=m.exit_status,
        write_bytes=m.write_bytes,
    )


def _sr(m: evidence_pb2.SrRuntime) -> SrRuntimeSeen:
    return SrRuntimeSeen(
        sr_uuid=m.sr_uuid,
        gc_init_at=from_us(m.gc_init_at_us),
        gc_running=tuple(m.gc_running),
        ipc_flags=tuple(m.ipc_flags),
        speeds=tuple(m.speeds),
        unit_state=m.unit_state,
        unit_pids=tuple(m.unit_pids),
    )


def _host(m: evidence_pb2.HostFacts) -> HostSeen:
    return HostSeen(
        hostname=m.hostname,
        product_version=m.product_version,
        product_brand=m.product_brand,
        sm_version=m.sm_version,
        kernel=m.kernel,
        python=m.python,
        boot_id=m.boot_id,
        booted_at=from_us(m.booted_at_us),
        timezone=m.timezone,
        utc_offset_seconds=m.utc_offset_seconds,
        load_1m=m.load_1m,
        memory_total_bytes=m.memory_total_bytes,
        memory_available_bytes=m.memory_available_bytes,
        log_free_bytes=m.log_free_bytes,
        log_total_bytes=m.log_total_bytes,
        root_free_bytes=m.root_free_bytes,
        root_total_bytes=m.root_total_bytes,
        no_sm_log=m.no_sm_log,
        clock_synchronized=m.clock_synchronized,
        machine_id=m.machine_id,
    )
