"""What the agent costs, on a real Python 3.6 where there is one: selection against grep, memory, idling, latency."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from agent.estate import HOST, Collector, Dom0, eventually, make_pki

from bench import mtail, smlogs
from bench.figures import Figure, figure

REPOSITORY = Path(__file__).resolve().parents[2]
GREP = "LC_ALL=C grep -aiE 'exception|error'"
_SIZE_BYTES = 100_000_000
_ROUNDS = 5
_CATCH_UP_ROUNDS = 10
_IDLE_SECONDS = 20
_APPENDS = 200

# Runs under the agent's Python: a file through reader, selection and serialisation; CPU seconds and bytes as JSON.
_SELECT = """
import json, resource, sys, zlib
from chainwatch_agent.identity import FileId
from chainwatch_agent.policy import FLOOR, SMLOG, part_for
from chainwatch_agent.select import Selector
from chainwatch_agent.sources import PlainSource
from chainwatch_agent.span_reader import SpanReader
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
began, shipped, packed = cpu(), 0, 0
reader = SpanReader(PlainSource(sys.argv[1]), FileId(b"f" * 32), 0, Selector(part_for(FLOOR, SMLOG)), 0)
while True:
    reader.read(128 * 1024, 0)
    span = reader.take()
    if span is None:
        break
    data = span.SerializeToString()
    shipped += len(data)
    if sys.argv[2] == "pack":
        packed += len(zlib.compress(data))
print(json.dumps({"cpu": cpu() - began, "shipped": shipped, "packed": packed}))
"""


def figures() -> list[Figure]:
    """Every figure of the agent."""
    with tempfile.TemporaryDirectory(prefix="chainwatch-bench-") as folder:
        return [
            *_selection(Path(folder), "noisy", 0.5),
            *_selection(Path(folder), "dense", 0.1),
            *_against_mtail(Path(folder)),
            *_running(Path(folder)),
        ]


def _python() -> str:
    packed = REPOSITORY / ".venv36" / "bin" / "python"
    return str(packed) if packed.exists() else sys.executable


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{REPOSITORY / 'agent'}:{REPOSITORY / 'proto' / 'gen'}"}


def _selection(folder: Path, kind: str, goal: float) -> list[Figure]:
    """CPU of grep over CPU of ours, the best of interleaved rounds."""
    log = folder / f"{kind}.log"
    smlogs.write(kind, _SIZE_BYTES, str(log))
    ours, grep = [], []
    for _ in range(_ROUNDS):
        ours.append(_select(log, "plain")["cpu"])
        grep.append(_children(f"{GREP} {log} > {folder}/found"))
    sizes = _select(log, "pack")
    size = log.stat().st_size
    shipped = sizes["shipped" if kind == "noisy" else "packed"] / size
    ratio = min(grep) / min(ours)
    log.unlink()
    met = ratio >= goal and shipped <= 0.1
    what = "shipped" if kind == "noisy" else "shipped after compression"
    words = f">= {goal} of grep, <= 10 % {what} (is {shipped:.1%})"
    return [figure(f"select_{kind}_vs_grep", size / min(ours) / 1e6, "MB/s", words, met, GREP, ratio)]


def _against_mtail(folder: Path) -> list[Figure]:
    """Nothing where mtail is not here: it is a package of its own."""
    peer = mtail.binary()
    if peer is None:
        print("bench: select_vs_mtail needs mtail, which is not here: no figure", file=sys.stderr)
        return []
    log = folder / "noisy.log"
    smlogs.write("noisy", _SIZE_BYTES // 5, str(log))
    ours, theirs = [], []
    for _ in range(_ROUNDS):
        ours.append(_select(log, "plain")["cpu"])
        theirs.append(mtail.cpu_seconds(peer, log, folder))
    ratio, size = min(theirs) / min(ours), log.stat().st_size
    log.unlink()
    words = ">= 30 x mtail with the floor as guarded patterns"
    return [figure("select_vs_mtail", size / min(ours) / 1e6, "MB/s", words, ratio >= 30, "mtail", ratio)]


def _select(log: Path, mode: str) -> dict[str, float]:
    command = [_python(), "-c", _SELECT, str(log), mode]
    found: dict[str, float] = json.loads(subprocess.check_output(command, env=_environment()))
    return found


def _children(command: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, shell=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _running(folder: Path) -> list[Figure]:
    """A real agent with a real collector on loopback: latency first, then a lot to read, then idling."""
    pki = make_pki(folder / "pki", HOST)
    collector = Collector(folder / "collector", pki).start()
    dom0 = Dom0(folder / "dom0", pki, f"localhost:{collector.port}")
    try:
        dom0.append(b"Nov 25 16:00:00 xcp-1 SMGC: [1] first\n")
        process = dom0.start(_as_in_dom0())
        eventually(lambda: len(collector.lines()) == 1, 60)
        latencies = _latencies(dom0, collector)
        pid = process.child.pid
        memory = _catch_up(folder, dom0, collector, pid)
        return [*_latency_figures(latencies), *_memory_figures(memory), *_idle_figures(pid)]
    finally:
        dom0.end(signal.SIGTERM)
        collector.end(signal.SIGTERM)


def _latencies(dom0: Dom0, collector: Collector) -> list[float]:
    """Seconds from an append until the line is in the database, one at a time (a poll of 0.5 ms is part of it)."""
    # One connection for all: opening one costs as much as half of what is measured.
    path = collector.directory / "state" / "chainwatch.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        return [_latency(dom0, database, number) for number in range(_APPENDS)]


def _latency(dom0: Dom0, database: sqlite3.Connection, number: int) -> float:
    time.sleep(0.02)
    began = time.perf_counter()
    dom0.append(b"Nov 25 16:00:00 xcp-1 SMGC: [1] append %d\n" % number)
    while database.execute("SELECT count(*) FROM lines").fetchone() != (number + 2,):
        time.sleep(0.0005)
    return time.perf_counter() - began


def _latency_figures(taken: list[float]) -> list[Figure]:
    cuts = statistics.quantiles(taken, n=100)
    p50, p99 = cuts[49] * 1000, cuts[98] * 1000
    return [
        figure("append_to_ack_p50_ms", p50, "ms", "< 10 ms", p50 < 10),
        figure("append_to_ack_p99_ms", p99, "ms", "< 100 ms", p99 < 100),
    ]


def _as_in_dom0() -> str:
    """The agent's Python, for an agent as its unit and its RPM have it: one malloc arena, byte code at hand."""
    os.environ["MALLOC_ARENA_MAX"] = "1"
    packages = next((REPOSITORY / ".venv36" / "lib").glob("python*/site-packages"), REPOSITORY / "agent")
    folders = [str(packages), str(REPOSITORY / "agent" / "chainwatch_agent"), str(REPOSITORY / "proto" / "gen")]
    # Some packages hold files for another Python.
    subprocess.run([_python(), "-m", "compileall", "-q", *folders], stdout=subprocess.DEVNULL, check=False)
    return _python()


def _catch_up(folder: Path, dom0: Dom0, collector: Collector, pid: int) -> list[tuple[int, int]]:
    """1 GB of log; (lines stored, resident bytes) after every 100 MB."""
    smlogs.write("noisy", _SIZE_BYTES, str(folder / "more"))
    taken = []
    for _ in range(_CATCH_UP_ROUNDS):
        with (folder / "more").open("rb") as more, dom0.smlog.open("ab") as live:
            while block := more.read(1 << 20):
                live.write(block)
        size = dom0.smlog.stat().st_size
        eventually(partial(_covered, collector, size), 240)
        taken.append((collector.query("SELECT count(*) FROM lines")[0][0], _used(pid)[2]))
    return taken


def _covered(collector: Collector, size: int) -> bool:
    return collector.query("SELECT max(to_offset) FROM files") == [(size,)]


def _memory_figures(taken: list[tuple[int, int]]) -> list[Figure]:
    half = taken[len(taken) // 2 :]
    slope = statistics.linear_regression([lines / 1000 for lines, _ in half], [size / 1e6 for _, size in half]).slope
    resident = taken[-1][1] / 1e6
    return [
        figure("agent_rss_mb", resident, "MB", "<= 38 MB after 1 GB of log", resident <= 38),
        figure("agent_rss_slope", slope, "MB", "< 0.1 MB per 1,000 lines stored, last half", slope < 0.1),
    ]


def _idle_figures(pid: int) -> list[Figure]:
    time.sleep(3)
    before, began = _used(pid), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    after, seconds = _used(pid), time.monotonic() - began
    cpu = 100 * (after[0] - before[0]) / seconds
    wakeups = (after[1] - before[1]) / seconds
    return [
        figure("agent_idle_cpu_percent", cpu, "%", "<= 0.1 %", cpu <= 0.1),
        figure("agent_idle_wakeups_per_s", wakeups, "1/s", "<= 6", wakeups <= 6),
    ]


def _used(pid: int) -> tuple[float, int, int]:
    """CPU seconds, voluntary context switches of all threads, resident bytes."""
    cpu, switches = 0.0, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        cpu += int((task / "schedstat").read_text().split()[0]) / 1e9
        status = (task / "status").read_text()
        switches += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return cpu, switches, resident
