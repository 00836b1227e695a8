"""`overview_p99_ms`, `cli_list_p99_ms`, `latest_100_p99_ms`, `count_7d_p99_ms`: what people wait for.

2,000 SRs and 50,000 VDIs in 20 pools, judged by the real judge, shown by the real model over a real database with
`RECORDS` stored lines of a month, each an event. Pages and commands are asked over HTTP on loopback.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx2
from chainwatch_collector.fold.pool_fold import Judged
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Pbd, Pool, Sr, Vbd, Vdi, Vm
from chainwatch_collector.judge.judge import Judge
from chainwatch_collector.judge.ledger import Ledger
from chainwatch_collector.judge.thresholds import Thresholds
from chainwatch_collector.keep.engine import open_engine, sqlite_url
from chainwatch_collector.keep.events import EventFilter, count_events, events_page
from chainwatch_collector.keep.migrate import migrate
from chainwatch_collector.keep.projection_tables import EVENTS, WORDS
from chainwatch_collector.keep.readers import Readers
from chainwatch_collector.keep.store_lines import store_lines
from chainwatch_collector.keep.tables import FILES, HOSTS, LOGS
from chainwatch_collector.keep.writer import Writer
from chainwatch_collector.live.board import Board
from chainwatch_collector.live.model import LiveModel
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.changes import ChangeHub
from chainwatch_collector.show.settings import ShowSettings
from chainwatch_collector.track.tracker import PoolTracker
from collector.show.serving import OpenGuard, served
from sqlalchemy import Connection, Engine

from bench.figures import Figure, figure

POOLS, SRS_PER_POOL, CHAINS_PER_SR = 20, 100, 5
RECORDS = int(os.environ.get("BENCH_RECORDS", "2000000"))
"""The issue's size is ten million; a page is read off an index, whose depth grows with the logarithm."""
DAYS, DISTINCT_SRS, KINDS = 30, 2000, 20
NOW = datetime(2026, 11, 22, 14, tzinfo=UTC)
GIB = 2**30
_STEM = "%08d-0000-4000-8000-00000000000"
_LINE = b"Nov 22 14:00:00 xcp-1 SMGC: [20100] Coalesced size = 1.174G of something that SM prints now and then"
_COMMANDS = (("sr", "list"), ("chain", "list"), ("agent", "list"), ("verdict",), ("events",))


def figures() -> list[Figure]:
    """For `make bench`."""
    with tempfile.TemporaryDirectory(prefix="chainwatch-bench-") as folder:
        engine = open_engine(sqlite_url(Path(folder) / "chainwatch.db"))
        migrate(engine)
        with engine.begin() as connection:
            store(connection, RECORDS)
        try:
            return [*_of_the_store(engine), *_of_the_surfaces(Path(folder), engine)]
        finally:
            engine.dispose()


def _of_the_store(engine: Engine) -> list[Figure]:
    week = NOW - timedelta(days=7)
    filters = [EventFilter(), EventFilter(kind="Kind3"), EventFilter(sr_uuid=sr_uuid(7)), EventFilter(host_ids=[1])]
    with engine.connect() as connection:
        latest = p99_ms([lambda one=one: events_page(connection, one, 100) for one in filters], 25)  # type: ignore[misc]
        counted = p99_ms([lambda: count_events(connection, EventFilter(sr_uuid=sr_uuid(7), since=week))], 100)
    return [
        figure("latest_100_p99_ms", latest, "ms", f"< 50 of {RECORDS:,}", latest < 50),
        figure("count_7d_p99_ms", counted, "ms", f"< 100 of {RECORDS:,}", counted < 100),
    ]


def _of_the_surfaces(folder: Path, engine: Engine) -> list[Figure]:
    board = estate()
    url = sqlite_url(folder / "chainwatch.db")
    writer, readers = Writer(engine), Readers(open_engine(url, read_only=True, pool_size=4), 3)
    model = LiveModel(board, readers, writer, lambda: NOW, dict, tuple, Thresholds())
    asyncio.run(model.refresh())
    # As `serve.main` does when all is loaded.
    gc.collect()
    gc.freeze()
    try:
        with served(build_app(model, OpenGuard(), ShowSettings())) as address:
            pages = _pages(address)
            commands = _commands(address)
    finally:
        gc.unfreeze()
        writer.close()
        readers.close()
    return [
        figure("overview_p99_ms", pages, "ms", "< 150", pages < 150),
        figure("cli_list_p99_ms", commands, "ms", "< 700", commands < 700),
    ]


def _pages(address: str) -> float:
    """The overview and a SR's page, the slower of them."""
    with httpx2.Client(base_url=address, trust_env=False, headers={"Accept": "text/html"}, timeout=60) as client:

        def page(path: str) -> Callable[[], object]:
            return lambda: client.get(path).raise_for_status()

        return max(p99_ms([page(path)], 100) for path in ("/", f"/sr/{sr_uuid(7)}"))


def _commands(address: str) -> float:
    environment = {**os.environ, "CHAINWATCH_URL": address, "CHAINWATCH_TOKEN": "bench"}
    program = Path(sys.executable).parent / "chainwatch"

    def typed(words: tuple[str, ...]) -> Callable[[], object]:
        return lambda: subprocess.run([program, *words], env=environment, capture_output=True, check=False, timeout=60)

    return max(p99_ms([typed(words)], 10) for words in _COMMANDS)


def p99_ms(works: list[Callable[[], object]], times: int) -> float:
    """Of `times` rounds after one that warms up, the time that 99 of 100 stay below."""
    took = []
    for round_number in range(times + 1):
        for work in works:
            began = time.perf_counter()
            work()
            if round_number:
                took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[max(0, round(len(took) * 0.99) - 1)]


# --- the estate -----------------------------------------------------------------------------------------------


def sr_uuid(number: int) -> str:
    return f"{_STEM % number}b"


def estate() -> Board:
    """Every pool judged once."""
    board = Board(ChangeHub())
    for number in range(POOLS):
        picture = _picture(number)
        assert picture.pool is not None
        tracker, uuid = PoolTracker(picture.pool.uuid), picture.pool.uuid
        tracker.see(picture)
        state = tracker.state(NOW)
        answer = Judge(Thresholds()).judge(state, NOW, Ledger()).answer
        board.pictured(uuid, picture)
        board.judged(Judged(uuid, NOW, answer, state))
    return board


def _picture(pool: int) -> Picture:
    host = Host(ref=f"OpaqueRef:h{pool}", uuid=f"{_STEM % pool}a", name=f"xcp-{pool}", enabled=True)
    srs = {sr.ref: sr for sr in (_sr(pool * SRS_PER_POOL + number) for number in range(SRS_PER_POOL))}
    vdis = {sr.ref: {vdi.uuid: vdi for vdi in _vdis(sr)} for sr in srs.values()}
    leaves = [vdi for of_sr in vdis.values() for vdi in of_sr.values() if vdi.managed and not vdi.is_a_snapshot]
    vms = [Vm(ref=f"OpaqueRef:vm-{one.uuid}", uuid=one.uuid[:-1] + "f", name=f"vm {one.uuid[:8]}") for one in leaves]
    vbds = [
        Vbd(ref=f"OpaqueRef:vbd-{vdi.uuid}", uuid=vdi.uuid[:-1] + "e", vm_ref=vm.ref, vdi_ref=vdi.ref)
        for vm, vdi in zip(vms, leaves, strict=True)
    ]
    pbds = [
        Pbd(ref=f"OpaqueRef:pbd-{ref}", uuid=sr.uuid, sr_ref=ref, host_ref=host.ref, currently_attached=True)
        for ref, sr in srs.items()
    ]
    return Picture(
        pool=Pool(ref=f"OpaqueRef:p{pool}", uuid=f"{_STEM % pool}c", name=f"pool-{pool}", master_ref=host.ref),
        as_of=NOW,
        hosts={host.ref: host},
        srs=srs,
        vdis_by_sr=vdis,
        vms={vm.ref: vm for vm in vms},
        vbds={vbd.ref: vbd for vbd in vbds},
        pbds={pbd.ref: pbd for pbd in pbds},
    )


def _sr(number: int) -> Sr:
    return Sr(
        ref=f"OpaqueRef:s{number}",
        uuid=sr_uuid(number),
        name=f"store {number}",
        type="nfs",
        shared=True,
        physical_size_bytes=1000 * GIB,
        physical_utilisation_bytes=(500 + number % 480) * GIB,
    )


def _vdis(sr: Sr) -> Iterator[Vdi]:
    """Chains of five: a base, two hidden nodes, of which one is kept by a snapshot, and the disk."""
    for chain in range(CHAINS_PER_SR):
        stem = f"{sr.uuid[:8]}-{chain:04d}-4000-8000-0000000000"
        parents = (None, f"{stem}10", f"{stem}20", f"{stem}20", f"{stem}30")
        for number, parent in enumerate(parents, start=1):
            yield Vdi(
                ref=f"OpaqueRef:{stem}{number}0",
                uuid=f"{stem}{number}0",
                name="base copy" if number < 4 else "disk",
                sr_ref=sr.ref,
                managed=number > 3,
                is_a_snapshot=number == 4,
                vhd_parent=parent,
                virtual_size_bytes=20 * GIB,
                physical_utilisation_bytes=GIB,
                image_format="vhd",
            )


# --- the store ------------------------------------------------------------------------------------------------


def store(connection: Connection, count: int) -> None:
    """`count` lines of a month and the event of each, of one host."""
    micros = int(NOW.timestamp() * 1e6)
    connection.execute(HOSTS.insert(), {"id": 1, "uuid": "0" * 36, "registered_at_us": micros})
    connection.execute(LOGS.insert(), {"id": 1, "path": "/var/log/SMlog"})
    words = [f"Kind{number}" for number in range(KINDS)] + [sr_uuid(number) for number in range(DISTINCT_SRS)]
    connection.execute(WORDS.insert(), [{"id": number, "word": word} for number, word in enumerate(words, start=1)])
    first, step = micros - DAYS * 86_400_000_000, DAYS * 86_400_000_000 // count
    names = ", ".join(f'"{column.name}"' for column in EVENTS.columns)
    insert = f"INSERT INTO events ({names}) VALUES ({', '.join('?' * len(EVENTS.columns))})"
    for begin in range(0, count, 50_000):
        numbers = range(begin, min(count, begin + 50_000))
        store_lines(connection, [(1, 120 * n, n, (first + step * n) // 1000, _LINE) for n in numbers])
        rows = [
            (1, 120 * n, 1, first + step * n, 1 + n % KINDS, KINDS + 1 + n * 7919 % DISTINCT_SRS, None, False)
            for n in numbers
        ]
        connection.exec_driver_sql(insert, rows)
    connection.execute(
        FILES.insert(),
        {
            "id": 1,
            "host_id": 1,
            "log_id": 1,
            "ordinal": 1,
            "fingerprint": b"f" * 32,
            "salt": 0,
            "mtime_us": micros,
            "to_offset": 120 * count,
            "born_on": date(2026, 11, 22),
        },
    )
