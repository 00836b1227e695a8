"""A host whose every line is of another process, SR and image: reading it costs as much a line at the end as at the
beginning, and what is remembered of it is bounded. All hosts of a collector are read in one thread.

`CHAINWATCH_FUZZ_FACTOR` multiplies the lines.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from chainwatch_collector.read import checkpoint, engine
from chainwatch_collector.read.facts import Line
from chainwatch_collector.read.reader import HostReader

from fuzz import samples

pytestmark = pytest.mark.usefixtures("no_collections")
FACTOR = float(os.environ.get("CHAINWATCH_FUZZ_FACTOR", "1"))
LINES = int(2_500 * FACTOR)
FEW = 500
KEPT_RUNS = 50
# In a commit of the fold a reader is stored as it stands.
MOST_STORED_BYTES = 2 << 20
MOST_TIMES = 4.0
LEAST_SECONDS = 20e-6
READ_AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
PID = re.compile(rb": \[\d+\]")
UUID = re.compile(rb"\b[0-9a-f]{8}(-[0-9a-f]{4}-)")
IMAGE = re.compile(rb"\*?\b[0-9a-f]{8}(?=[\[(])")


def of_another_process(line: bytes, number: int) -> bytes:
    return PID.sub(b": [%d]" % (1000 + number), line, 1)


def of_other_images(line: bytes, number: int) -> bytes:
    name = b"%08x" % (number * 2654435761 % 2**32)
    return IMAGE.sub(name, UUID.sub(name + rb"\1", line))


def all_other(line: bytes, number: int) -> bytes:
    return of_other_images(of_another_process(line, number), number)


@pytest.mark.parametrize("another", [of_another_process, of_other_images, all_other])
def test_what_one_host_says_costs_no_more_by_and_by(another: Callable[[bytes, int], bytes]) -> None:
    for line in samples.smlog_lines():
        few, _ = read(line, another, FEW)
        many, stored_bytes = read(line, another, LINES)
        if many >= MOST_TIMES * max(few, LEAST_SECONDS):
            # Not by chance.
            many, _ = read(line, another, LINES)
        told = f"{1e6 * few:.0f}, then {1e6 * many:.0f} us a line: {line!r}"
        assert many < MOST_TIMES * max(few, LEAST_SECONDS), told
        assert stored_bytes < MOST_STORED_BYTES, f"{stored_bytes} bytes: {line!r}"


def read(line: bytes, another: Callable[[bytes, int], bytes], count: int) -> tuple[float, int]:
    """(CPU seconds for a line, bytes of the reader behind the last)."""
    reader = HostReader("6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11", UTC, keep_ended_runs=KEPT_RUNS)
    lines = [Line("/var/log/SMlog", 1, 200 * n, another(line, n), READ_AT, None) for n in range(count)]
    began = time.process_time()
    for start in range(0, count, 1000):
        reader.feed(lines[start : start + 1000])
        reader.take_changed_runs()
    spent = time.process_time() - began
    return spent / count, len(checkpoint.dump(reader))


def test_open_runs_and_blocks_are_so_many_at_most() -> None:
    """The oldest run is given up as lost; one that is alive goes on."""
    reader = HostReader("6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11", UTC, keep_ended_runs=KEPT_RUNS)
    lines = [
        b"Nov 22 08:00:00 xcp1 SMGC: [%d] Coalesce candidate: *42f1c3f6(2.000G/140.282M) (tree height 4)" % n
        for n in range(9000)
    ]
    lines += [
        b"Nov 22 08:00:00 xcp1 SMGC: [%d] *~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*" % (n + 20_000) for n in range(9000)
    ]
    facts = reader.feed(Line("/var/log/SMlog", 1, 100 * n, line, READ_AT, None) for n, line in enumerate(lines))
    assert len(reader.open_runs) == 512
    assert [run.pid for run in reader.open_runs] == list(range(9000 - 512, 9000))
    assert len(reader.runs) <= 512 + 2 * KEPT_RUNS
    assert len(facts) >= 9000
    assert not reader.open_runs[-1].lost


def test_merges_of_all_runs_are_so_many_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older runs are left their last few, the newest has all of its own."""
    monkeypatch.setattr(engine, "MERGES_IN_ALL", 200)
    reader = HostReader("6a0e4b8e-6a40-4b66-bb0a-6d1f4b6a7a11", UTC, keep_ended_runs=KEPT_RUNS)
    said = b"Nov 22 08:04:22 xcp1 SMGC: [%d] Coalescing *%08x(2.000G/140.282M) -> *ac4a4bfe(2.000G/120.243M)"
    lines = [said % (run, 100 * run + merge) for run in range(1, 51) for merge in range(20)]
    reader.feed(Line("/var/log/SMlog", 1, 100 * n, line, READ_AT, None) for n, line in enumerate(lines))
    kept = [len(run.merges) for run in reader.open_runs]
    assert kept[-1] == 20
    assert sum(kept) <= 50 * 10 + 200
    assert [run.merges[-1].child[-2:] for run in reader.open_runs[:2]] == ["77", "db"]
