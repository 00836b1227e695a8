"""Whole inputs for each target: what damage begins with."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from chainwatch.v1 import evidence_pb2, ingest_service_pb2
from chainwatch_agent.checkpoint import Checkpoint
from chainwatch_agent.identity import FileId
from lab.wire import SMLOG, file_seen, key_of, span
from smlog import A, B, C, Smlog, disk

Message = ingest_service_pb2.AgentMessage
_SECRETS = (
    b"SMGC: [1] session_ref='OpaqueRef:0a1b2c3d-1111-2222-3333-444455556666', args=[]",
    b"SM: [1] vdi_attach {'device_config': {'chappassword': 'hunter2', 'target': '10.0.0.1'}, 'command': 'vdi_attach'}",
    b"SM: [1] ['mount.cifs', '//filer/share', '/run/sr-mount/x', '-o', 'user=a,pass=b,vers=3.0']",
)


def smlog_lines() -> list[bytes]:
    """A run with a good merge, a failed one, a leaf that gives up, and what SM says beside it."""
    log = Smlog().start(100, worker=102).chain(100)
    log.inner_start(100).copy(101).copied(100, 101).updated(100)
    log.inner_start(100, C, A).copy(103).failed_command(103, 28, "error coalescing: -28")
    log.banner(103, "This exception has occured", "No space left on device")
    log.banner(100, "coalesce", "Child process exited with error").gc(100, "Coalesce failed, skipping")
    log.gc(100, f"Leaf-coalescing {disk(C, hidden=False)} -> {disk(A)}", f"Num combined blocks = {255}")
    log.banner(100, "leaf-coalesce", f"VDI {C} could not be coalesced").updated(100).finish(100)
    log.sm(7, f"lock: opening lock file /var/lock/sm/{B}/vdi", "  pread SUCCESS", f"Kicking SMGC@{A}...")
    return [*log.lines, *(b"Nov 22 08:00:00 xcp1 " + secret for secret in _SECRETS)]


def logs() -> list[bytes]:
    """Whole files, from empty to one with a line beyond every limit."""
    lines = smlog_lines()
    whole = b"\n".join(lines) + b"\n"
    return [b"", lines[0], whole, b"\0" * 4096 + whole, whole + b"x" * 70_000 + b"\n" + whole, whole * 20]


def configs() -> list[bytes]:
    """agent.conf with every kind of value."""
    return [
        b"[collector]\naddresses=a.example:8442, [::1]:443\n",
        b"[collector]\naddresses = localhost:8442\nca = /etc/ca.pem\nreconnect_seconds = 0.05\n[host]\nroot = /lab\n"
        b"[log]\nfiles = /var/log/SMlog, /var/log/daemon.log\npoll_seconds = 0.1\n"
        b"[history]\nseconds = 8640000\nbytes = 1000000000\n[evidence]\nallow = yes\n",
    ]


def checkpoints() -> list[bytes]:
    """A saved one."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        made = Checkpoint(str(path))
        for number in range(5):
            made.retired(FileId(bytes([number]) * 32), 1000 + number, bytes([number + 1]) * 32)
            made.acked(FileId(bytes([number]) * 32, number), 1000)
        made.save()
        return [path.read_bytes()]


def messages() -> list[bytes]:
    """Every body an agent sends after its Hello."""
    data = b"\n".join(smlog_lines()) + b"\n"
    half = data.index(b"\n", len(data) // 2) + 1
    gap = evidence_pb2.Gap(
        reason=evidence_pb2.Gap.REASON_ROTATED_AWAY,
        before_file=key_of(data),
        before_offset=half,
        missing_bytes=half,
        detail="older than 24 h",
        log=SMLOG,
    )
    process = evidence_pb2.ProcessSample(pid=4711, start_ticks=99, sr_uuid=A, vdi_uuid=B, state="D", ancestors=[1, 2])
    samples = evidence_pb2.Samples(agent_epoch=7, seq=1, at_us=1764086400000000, processes=[process])
    status = evidence_pb2.Status(agent_epoch=7, seq=2, at_us=1764086400000000, problems=["SMlog: no such file"])
    policy = ingest_service_pb2.EvidenceReply(request_id=1, last=True, error=hashlib.sha256(data).hexdigest())
    bodies = [
        Message(file_seen=file_seen(data)),
        Message(span=span(data, 0, half)),
        Message(span=span(data, half, len(data))),
        Message(span=span(data, 0, len(data), [])),
        Message(gap=gap),
        Message(samples=samples),
        Message(status=status),
        Message(evidence_reply=policy),
    ]
    return [body.SerializeToString() for body in bodies]


def samples_of(target: str) -> list[bytes]:
    """By the target's name."""
    makers = {"config": configs, "checkpoint": checkpoints, "message": messages, "tail": logs, "select": logs}
    return makers.get(target, smlog_lines)()
