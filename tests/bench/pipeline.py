"""`record_to_finding_p99_s`, `rejudge_50k_ms`: from a record on the wire to a finding on the web while 2,000 records a
second come in, and 50,000 VDIs judged anew after one of them changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from chainwatch.v1 import evidence_pb2
from chainwatch_collector.fold.pool_fold import FOLD_VERSION, PoolFold
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.judge.judge import Judge
from chainwatch_collector.judge.ledger import Ledger
from chainwatch_collector.track.tracker import PoolTracker
from collector.judge.scene import MASTER, MEMBER, POOL_UUID, START, a_pbd, a_picture
from lab.estate import Disk, Installation, PoolPlan, Storage
from lab.wire import SMLOG, Wire, connect, key_of, now_us
from smlog import Smlog, disk, path

from bench.chains import GIB, SRS, VDIS_PER_SR, large_estate
from bench.figures import Figure, figure

RECORDS_PER_SECOND = 2000
HOSTS = 5
TICK_SECONDS = 0.1
PROBES = 100
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 30.0
CHANGES = 40


def figures() -> list[Figure]:
    """For `make bench`."""
    taken = sorted(rejudge_ms())
    rejudged, slow = statistics.median(taken), taken[round(0.95 * (len(taken) - 1))]
    seconds = sorted(record_to_finding_seconds())
    p99 = seconds[round(0.99 * (len(seconds) - 1))]
    anchor = f"p50 {statistics.median(seconds):.2f} s, {RECORDS_PER_SECOND} records/s"
    return [
        figure("record_to_finding_p99_s", p99, "s", "< 1", p99 < 1, anchor),
        figure("rejudge_50k_ms", rejudged, "ms", "< 50", rejudged < 50, f"p95 {slow:.0f} ms, with verdicts"),
    ]


# --- from a record to a finding -------------------------------------------------------------------------------


def record_to_finding_seconds(probes: int = PROBES) -> list[float]:
    """Of each probe: from the write of the span that proves a corrupt image to the finding in a reply by REST."""
    disks = [Disk("base"), Disk("merge", "base"), Disk("leaf", "merge", hidden=False)]
    storages = [Storage("nfs", f"probe-{number}", disks) for number in range(probes)]
    storages += [Storage("nfs", f"busy-{number}", disks) for number in range(HOSTS)]
    plan = PoolPlan("bench", [f"xcp-{number}" for number in range(HOSTS)], storages, agents=())
    with (
        tempfile.TemporaryDirectory(prefix="chainwatch-bench-") as folder,
        Installation(Path(folder), [plan]) as installation,
    ):
        return asyncio.run(_measure(installation, plan, probes))


async def _measure(installation: Installation, plan: PoolPlan, probes: int) -> list[float]:
    uuids = list(plan.host_uuids().values())
    async with AsyncExitStack() as stack:
        logs = [await stack.enter_async_context(host_log(installation, uuid)) for uuid in uuids]
        trust = ssl.create_default_context(cafile=str(installation.pki.ca))
        base = f"https://127.0.0.1:{installation.collector.web_port}/api/v1"
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=base, verify=trust, timeout=10))
        async with asyncio.TaskGroup() as group:
            busy = [group.create_task(_be_busy(log, plan, number)) for number, log in enumerate(logs)]
            await asyncio.sleep(3)
            taken = []
            for number in range(probes):
                taken.append(await _probe(client, logs[0], plan, f"probe-{number}", 9000 + 10 * number))
            for task in busy:
                task.cancel()
    return taken


async def _probe(client: httpx2.AsyncClient, log: HostLog, plan: PoolPlan, sr: str, pid: int) -> float:
    base, merge = (plan.vdi_uuid(sr, name) for name in ("base", "merge"))
    leaf, sr_uuid = plan.vdi_uuid(sr, "leaf"), plan.sr_uuid(sr)
    lines = Smlog(host=log.hostname, now=datetime.now(UTC)).start(pid, sr_uuid)
    lines.tree(pid, (0, disk(base)), (1, disk(merge)), (2, disk(leaf, hidden=False)), sr=sr_uuid)
    lines.gc(pid, f"Coalescing {disk(merge)} -> {disk(base)}")
    lines.sm(pid, f"['/usr/bin/vhd-util', 'check', '--debug', '-n', '{path(base, sr_uuid)}']")
    lines.failed_command(pid, 22, "block 3 clobbers block 4")
    lines.banner(pid, "coalesce", f"VHD {disk(base)} corrupted").gc(pid, "Coalesce failed, skipping")
    lines.updated(pid, sr_uuid).finish(pid, sr=sr_uuid)
    await log.write(lines.lines)
    began = time.perf_counter()
    while time.perf_counter() - began < PATIENCE_SECONDS:
        answer = await client.get("/findings", params={"code": "VDI_CORRUPT", "sr": sr_uuid})
        if any(one["subject"]["uuid"] == base for one in answer.raise_for_status().json()["items"]):
            return time.perf_counter() - began
        await asyncio.sleep(POLL_SECONDS)
    raise AssertionError(f"no finding of {sr} within {PATIENCE_SECONDS:g} s")


async def _be_busy(log: HostLog, plan: PoolPlan, number: int) -> None:
    """A GC that evaluates its images again and again, as a busy one logs it: this host's share of the records."""
    sr = plan.sr_uuid(f"busy-{number}")
    uuids = [plan.vdi_uuid(f"busy-{number}", name) for name in ("base", "merge", "leaf")]
    share, due, pid = round(RECORDS_PER_SECOND * TICK_SECONDS / HOSTS), time.monotonic(), 100_000 * (number + 1)
    while True:
        pid += 10
        lines = Smlog(host=log.hostname, now=datetime.now(UTC)).start(pid, sr)
        lines.tree(pid, (0, disk(uuids[0])), (1, disk(uuids[1])), (2, disk(uuids[2], hidden=False)), sr=sr)
        while len(lines.lines) < share - 4:
            lines.gc(pid, f"{uuids[1]} is coalescable", f"Coalesce candidate: {disk(uuids[1])} (tree height 3)")
        await log.write(lines.finish(pid, sr=sr).lines)
        due += TICK_SECONDS
        await asyncio.sleep(max(0.0, due - time.monotonic()))


class HostLog:
    """One host's stream, whose log grows by what is written."""

    def __init__(self, wire: Wire, hostname: str) -> None:
        self.hostname = hostname
        self._wire = wire
        self._key = evidence_pb2.FileKey()
        self._end = 0
        self._tail = b""
        self._writing = asyncio.Lock()

    async def write(self, lines: list[bytes]) -> None:
        """As one span."""
        async with self._writing:
            await self._write(lines)

    async def _write(self, lines: list[bytes]) -> None:
        data = b"".join(line + b"\n" for line in lines)
        if not self._end:
            self._key = key_of(data)
            seen = evidence_pb2.FileSeen(file=self._key, log=SMLOG, name=SMLOG, first_line=lines[0] + b"\n")
            seen.mtime_us = now_us()
            await self._wire.send(file_seen=seen)
        begin, self._end = self._end, self._end + len(data)
        self._tail = (self._tail + data)[-1024:]
        span = evidence_pb2.Span(
            file=self._key,
            from_offset=begin,
            to_offset=self._end,
            slices=evidence_pb2.Slices(skipped_bytes=[0], size_bytes=[len(data)], data=data),
            read_at_us=now_us(),
            tail_sha256=hashlib.sha256(self._tail).digest(),
        )
        await self._wire.send(span=span)

    async def acknowledged(self) -> None:
        """Takes what the collector says, for ever."""
        while True:
            await self._wire.receive(60)


@asynccontextmanager
async def host_log(installation: Installation, host_uuid: str) -> AsyncIterator[HostLog]:
    """A stream of this host, welcomed."""
    identity = installation.pki.host(host_uuid)
    async with connect(installation.collector.ingest_port, installation.pki.ca, identity) as wire:
        await wire.welcome(hostname=f"xcp-{host_uuid[:4]}")
        log = HostLog(wire, f"xcp-{host_uuid[:4]}")
        listening = asyncio.create_task(log.acknowledged())
        try:
            yield log
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


# --- judged anew ----------------------------------------------------------------------------------------------


def rejudge_ms(changes: int = CHANGES) -> list[float]:
    """Of each change, in ms of one core: a picture with one VDI less, seen and judged. Verdicts are due every 5 s."""
    picture = _large()
    fold = PoolFold(POOL_UUID, FOLD_VERSION, PoolTracker(POOL_UUID), Judge(), Ledger())
    fold.see(picture)
    fold.judge(START)
    taken = []
    for number in range(changes):
        picture = _one_less(picture, number)
        now = START + timedelta(seconds=number + 1)
        began = time.process_time()
        fold.see(replace(picture, as_of=now))
        fold.judge(now)
        taken.append((time.process_time() - began) * 1000)
    return taken


def _large() -> Picture:
    """50,000 VDIs on 20 SRs of two hosts."""
    srs = large_estate()
    pbds = [
        replace(a_pbd(host), ref=f"{host}-{sr.ref}", uuid=f"{host}-{sr.uuid}", sr_ref=sr.ref)
        for sr, _ in srs
        for host in (MASTER, MEMBER)
    ]
    picture = a_picture(())
    return replace(
        picture,
        srs={sr.ref: sr for sr, _ in srs},
        vdis_by_sr={sr.ref: vdis for sr, vdis in srs},
        pbds={pbd.ref: pbd for pbd in pbds},
    )


def _one_less(picture: Picture, number: int) -> Picture:
    """A snapshot of one SR is deleted."""
    sr_ref = f"OpaqueRef:{number % SRS}"
    vdis = dict(picture.vdis_by_sr[sr_ref])
    del vdis[next(uuid for uuid, vdi in vdis.items() if vdi.is_a_snapshot)]
    assert len(vdis) > VDIS_PER_SR - 100
    record = replace(picture.srs[sr_ref], physical_utilisation_bytes=50_000 * GIB + number)
    return replace(
        picture,
        srs={**picture.srs, sr_ref: record},
        vdis_by_sr={**picture.vdis_by_sr, sr_ref: vdis},
    )
