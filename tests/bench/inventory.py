"""The inventory of a pool of 50,000 VDIs: first fetch, changes, memory, and what the event loop feels of it.

The pool runs in a process of its own, every record encoded beforehand, so that what is measured is the client.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import XenAPI
from chainwatch_collector.inventory.dial import Credentials
from chainwatch_collector.inventory.fetch import fetch_all
from chainwatch_collector.inventory.follow import PoolFollower
from chainwatch_collector.inventory.methods import CLASSES
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.session import PoolSession
from chainwatch_collector.inventory.tls import Trust
from lab.xapi.process import LabProcess, control, lab_process

from bench.figures import Figure, figure

VDIS = 50_000
CHANGES_PER_SECOND = 100
CHURN_SECONDS = 30.0
PROBES = 60
TICK_SECONDS = 0.005


def figures(vdis: int = VDIS) -> list[Figure]:
    """For `make bench`."""
    with lab_process(hosts=["xcp1", "xcp2"], build=[["fill", {"vdis": vdis}]]) as lab:
        lab.do("warm", classes=list(CLASSES))
        # Before and after, so that a machine that gets busier or idler meanwhile does not decide.
        first, plain, second = first_fetch_seconds(lab), plain_package_seconds(lab), first_fetch_seconds(lab)
        ours = (first + second) / 2
        memory = memory_bytes(lab) / vdis
        seen, stalls = asyncio.run(_follow(lab))
    p99, stall = _p99(seen), _p99(stalls) * 1000
    return [
        figure(
            "first_sync_vs_xenapi",
            ours,
            "s",
            "ratio <= 0.2",
            ours / plain <= 0.2,
            f"XenAPI {plain:.1f} s",
            ours / plain,
        ),
        figure("change_visible_p99_s", p99, "s", "< 2.5", p99 < 2.5, f"{CHANGES_PER_SECOND} changes/s"),
        figure("loop_stall_p99_ms", stall, "ms", "max < 150", max(stalls) < 0.15, f"max {max(stalls) * 1000:.0f} ms"),
        figure("vdi_memory_bytes", memory, "B", "< 2000", memory < 2000, "with its share of VMs and VBDs"),
    ]


def first_fetch_seconds(lab: LabProcess) -> float:
    """From login to a picture."""
    gc.collect()
    began = time.perf_counter()
    session = PoolSession(f"{lab.address}:{lab.port}", Trust(ca_file=lab.ca_file))
    session.login(lab.reader, lab.reader_password)
    assembly, _ = fetch_all(session)
    seconds = time.perf_counter() - began
    session.logout()
    if assembly.count("VDI") < 1:
        raise AssertionError("no VDIs were fetched")
    return seconds


def plain_package_seconds(lab: LabProcess) -> float:
    """The same classes by the package as it is, over the same link."""
    context = ssl.create_default_context(cafile=str(lab.ca_file))
    gc.collect()
    began = time.perf_counter()
    session = XenAPI.Session(lab.url, transport=xmlrpc.client.SafeTransport(context=context))
    session.login_with_password(lab.reader, lab.reader_password, "1.0", "bench")
    kept: list[Any] = [getattr(session.xenapi, name).get_all_records() for name in CLASSES]
    seconds = time.perf_counter() - began
    session.xenapi.session.logout()
    session("close")()
    kept.clear()
    return seconds


def memory_bytes(lab: LabProcess) -> int:
    """What a fresh process grows by when it fetches the pool and keeps it."""
    told = {"address": f"{lab.address}:{lab.port}", "ca": str(lab.ca_file)}
    told |= {"user": lab.reader, "password": lab.reader_password}
    command = [sys.executable, "-c", "from bench.inventory import grow; grow()"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        command, input=json.dumps(told), capture_output=True, text=True, env=environment, timeout=300, check=True
    )
    return int(done.stdout)


def grow() -> None:
    """In the fresh process: the growth in bytes, to stdout."""
    told = json.load(sys.stdin)
    session = PoolSession(told["address"], Trust(ca_file=Path(told["ca"])))
    session.login(told["user"], told["password"])
    before = _resident_bytes()
    assembly, _ = fetch_all(session)
    session.logout()
    gc.collect()
    print(_resident_bytes() - before)
    del assembly


async def _follow(lab: LabProcess) -> tuple[list[float], list[float]]:
    """Seconds until each probe was seen, and how late each tick of the loop was, from the first fetch on."""
    stalls: list[float] = []
    ticking = asyncio.create_task(_tick(stalls))
    follower = PoolFollower(
        "bench",
        (f"{lab.address}:{lab.port}",),
        Credentials(lab.reader, lambda: lab.reader_password),
        Trust(ca_file=lab.ca_file),
        lambda _key, _picture: None,
    )
    follower.start()
    try:
        await _until(lambda: follower.picture.reachable, 120)
        churn = threading.Thread(target=_churn, args=(lab.control_port,), name="churn")
        churn.start()
        seen = [await _probe(lab.control_port, follower, number) for number in range(PROBES)]
        await asyncio.to_thread(churn.join)
    finally:
        ticking.cancel()
        await asyncio.to_thread(follower.stop)
    return seen, stalls


def _churn(port: int) -> None:
    control(port, "churn", per_second=CHANGES_PER_SECOND, seconds=CHURN_SECONDS)


async def _probe(port: int, follower: PoolFollower, number: int) -> float:
    began = time.perf_counter()
    (uuid,) = await asyncio.to_thread(
        lambda: control(port, "burst_add", sr="load-0", count=1, prefix=f"probe-{number}")
    )
    await _until(lambda: _has(follower.picture, uuid), 60)
    return time.perf_counter() - began


def _has(picture: Picture, uuid: str) -> bool:
    return any(uuid in vdis for vdis in picture.vdis_by_sr.values())


async def _tick(stalls: list[float]) -> None:
    """How late the loop is by this process's own work: what other processes take of the machine is not counted."""
    while True:
        began, busy = time.perf_counter(), time.process_time()
        await asyncio.sleep(TICK_SECONDS)
        late = time.perf_counter() - began - TICK_SECONDS
        stalls.append(min(late, time.process_time() - busy))


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > deadline:
            raise AssertionError(f"not within {seconds} s")
        await asyncio.sleep(TICK_SECONDS)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _p99(values: list[float]) -> float:
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)]
