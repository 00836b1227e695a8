"""A pool at scale: tens of thousands of VDIs, bursts, and a steady stream of changes."""

import asyncio
import gc
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lab.xapi import images, rpc_json, rpc_xml
from lab.xapi.images import GIB
from lab.xapi.pool import XapiPool
from lab.xapi.values import now

_SIZES_GIB = (20, 20, 40, 100, 200)
_SHAPES_EACH = 8
_BLOCKS_PER_RUN = 40
_NO_REQUEST = rpc_json.Request("", [], 2, 0)
_DEPTHS = (1, 2, 2, 3, 3, 4, 6)
_YIELD_EVERY = 200


async def fill(pool: XapiPool, vdis: int, srs: int = 10, seed: int = 1, with_blocks: bool = True) -> int:
    """`srs` NFS SRs (`load-0` …) with `vdis` VDIs in straight chains, every leaf the disk of a VM; how many VDIs."""
    chance = random.Random(seed)
    shapes = [_shape(size * GIB, chance) for size in _SIZES_GIB for _ in range(_SHAPES_EACH)]
    refs = [pool.estate.add_sr("nfs", f"load-{number}", size_bytes=200_000 * GIB) for number in range(srs)]
    made = number = 0
    with _without_garbage_collection():
        while made < vdis:
            depth = min(chance.choice(_DEPTHS), vdis - made)
            leaf = _chain(pool, refs[number % srs], number, depth, chance.choice(shapes), with_blocks)
            pool.estate.add_vm(f"load-vm-{number}", None, [pool.disks.ref(leaf)])
            made += depth
            number += 1
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
    return made


async def warm(pool: XapiPool, classes: Sequence[str] = ("VDI",)) -> None:
    """Encode the records of these classes now, so that what a client measures is its own work and the wire."""
    with _without_garbage_collection():
        for class_name in classes:
            rows = list(pool.database.tables[class_name].rows.values())
            for start in range(0, len(rows), _YIELD_EVERY):
                rpc_json.success(_NO_REQUEST, rows[start : start + _YIELD_EVERY])
                rpc_xml.success(rows[start : start + _YIELD_EVERY])
                await asyncio.sleep(0)


async def burst_add(pool: XapiPool, sr: str, count: int, prefix: str = "burst") -> list[str]:
    """`count` new VDIs at once; their uuids."""
    ref = pool.estate.ref("SR", sr)
    return [pool.disks.add_vdi(ref, f"{prefix}-{number}", GIB) for number in range(count)]


async def burst_delete(pool: XapiPool, count: int, prefix: str = "") -> int:
    """`count` leaves (whose name begins with `prefix`) go at once, beyond what the database remembers; how many."""
    rows = pool.database.tables["VDI"].rows
    leaves = (row.fields for row in rows.values() if row.fields["managed"] and not row.fields["is_a_snapshot"])
    found = [f["uuid"] for f in leaves if f["name_label"].startswith(prefix) and not pool.disks.children(f["uuid"])]
    for uuid in found[:count]:
        pool.disks.forget(uuid)
    return len(found[:count])


async def churn(pool: XapiPool, per_second: int, seconds: float, seed: int = 1) -> int:
    """Changes of VDIs' sizes and names at this rate for so long, all of them made however slow; how many."""
    chance = random.Random(seed)
    refs = list(pool.database.tables["VDI"].rows)
    loop = asyncio.get_running_loop()
    start, total = loop.time(), int(per_second * seconds)
    for made in range(total):
        await asyncio.sleep(max(0.0, start + made / per_second - loop.time()))
        size = chance.randrange(1, 20_000) * images.BLOCK_BYTES
        ref = chance.choice(refs)
        if pool.database.exists("VDI", ref):
            pool.database.set("VDI", ref, physical_utilisation=size, name_description=f"change {made}")
    return total


def burst_snapshot(pool: XapiPool, prefix: str, name: str) -> int:
    """Every VM whose name begins with `prefix` is snapshotted, as a backup window does; how many."""
    vms = pool.database.tables["VM"].rows.values()
    found = [row for row in vms if row.fields["name_label"].startswith(prefix) and not row.fields["is_a_snapshot"]]
    for row in found:
        pool.storage.snapshot_vm(row.ref, f"{name} {row.fields['name_label']}")
    return len(found)


def heartbeat(pool: XapiPool) -> None:
    """Every live host reports, as it does each half minute."""
    for row in list(pool.database.tables["host_metrics"].rows.values()):
        if row.fields["live"]:
            pool.database.set("host_metrics", row.ref, last_updated=now())


def burst_messages(pool: XapiPool, count: int, uuid: str = "") -> None:
    """So many alarms of an object."""
    for number in range(count):
        pool.messages.create("ALARM", 5, "SR", uuid, f"value: {number}\nconfig:\n")


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Python's own: it would walk over ever more objects that all stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _shape(size: int, chance: random.Random) -> tuple[int, int]:
    """A size and a bitmap, clustered as guests leave it: a tenth of the disk in runs."""
    total = size // images.BLOCK_BYTES
    bitmap = 0
    for _ in range(total // _BLOCKS_PER_RUN):
        bitmap |= images.run_of_blocks(chance.randrange(total), chance.randrange(1, _BLOCKS_PER_RUN // 5))
    return size, bitmap & ((1 << total) - 1)


def _chain(pool: XapiPool, sr: str, number: int, depth: int, shape: tuple[int, int], with_blocks: bool) -> str:
    """Base copies and a leaf; the leaf's uuid."""
    size, bitmap = shape
    parent, bases = "", []
    for _ in range(depth - 1):
        parent = pool.disks.add_base(sr, size, bitmap, parent)
        bases.append(parent)
    leaf = pool.disks.add_vdi(sr, f"load-disk-{number}", size, bitmap, parent)
    if with_blocks and bases:
        pool.disks.publish_blocks(sr, bases)
    return leaf


ALL: tuple[Callable[..., Any], ...] = (
    burst_add,
    burst_delete,
    burst_messages,
    burst_snapshot,
    churn,
    fill,
    heartbeat,
    warm,
)
