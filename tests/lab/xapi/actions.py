"""What happens to the objects of a pool, by names: snapshots, merges, flags, messages, guests. JSON arguments only."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.xapi.collection import Collection
from lab.xapi.disks import BASE_COPY, Format
from lab.xapi.images import GIB, runs_of_blocks
from lab.xapi.pool import XapiPool
from lab.xapi.values import NULL, parse_time


def add_sr(pool: XapiPool, kind: str, name: str, host: str = "", **fields: Any) -> str:
    """An SR, plugged everywhere if shared, else on `host` or the first; its uuid."""
    hosts = [pool.host(host)] if host else []
    return str(pool.database.get("SR", pool.estate.add_sr(kind, name, hosts, **fields))["uuid"])


def add_vm(pool: XapiPool, name: str, disks: Sequence[str] = (), host: str = "", **fields: Any) -> str:
    """A VM with these VDIs (uuids or names), running on `host` if one is named; its uuid."""
    refs = [pool.estate.ref("VDI", disk) for disk in disks]
    vm = pool.estate.add_vm(name, pool.host(host) if host else None, refs, **fields)
    return str(pool.database.get("VM", vm)["uuid"])


def add_chain(
    pool: XapiPool, sr: str, name: str, depth: int, size_gib: int = 20, blocks_each: int = 64, **leaf: Any
) -> list[str]:
    """A straight chain whose inner merges are all pending; uuids from root to leaf."""
    return pool.disks.add_chain(_sr(pool, sr), name, depth, size_gib * GIB, blocks_each, **leaf)


def add_vdi(
    pool: XapiPool,
    sr: str,
    name: str,
    size_gib: int = 20,
    image_format: Format = "vhd",
    parent: str = "",
    **fields: Any,
) -> str:
    """One VDI; its uuid."""
    return pool.disks.add_vdi(_sr(pool, sr), name, size_gib * GIB, 0, parent, image_format, **fields)


def add_image(
    pool: XapiPool,
    sr: str,
    uuid: str,
    size_bytes: int,
    blocks: Sequence[int] = (),
    parent: str = "",
    hidden: bool = False,
    name: str = "",
    image_format: Format = "vhd",
    **fields: Any,
) -> str:
    """An image as a dom0 has it, by its uuid; `blocks` are the numbers of the 2 MiB blocks that it holds."""
    bitmap = sum(1 << number for number in set(blocks))
    if hidden:
        fields = {"managed": False, "read_only": True, "allowed_operations": [], **fields}
    label = name or (BASE_COPY if hidden else uuid)
    return pool.disks.add_vdi(_sr(pool, sr), label, size_bytes, bitmap, parent, image_format, uuid=uuid, **fields)


def sr_images(pool: XapiPool, sr: str) -> dict[str, Any]:
    """The SR as a dom0's garbage collector finds it: `lab.dom0` takes it as it is."""
    record = pool.database.get("SR", _sr(pool, sr))
    images = []
    for uuid in pool.disks.of_sr(_sr(pool, sr)):
        vdi = pool.disks.record(uuid)
        images.append(
            {
                "uuid": uuid,
                "parent": pool.disks.parent(uuid) or None,
                "hidden": not vdi["managed"],
                "virtual_bytes": vdi["virtual_size"],
                "block_runs": runs_of_blocks(pool.disks.blocks[uuid]),
            }
        )
    free = max(0, record["physical_size"] - record["physical_utilisation"])
    return {"uuid": record["uuid"], "name": record["name_label"], "free_bytes": free, "images": images}


def snapshot_vm(pool: XapiPool, vm: str, name: str) -> str:
    """VM.snapshot; the snapshot's uuid."""
    ref = pool.storage.snapshot_vm(pool.estate.ref("VM", vm), name)
    return str(pool.database.get("VM", ref)["uuid"])


def delete_snapshot(pool: XapiPool, name: str) -> None:
    """A VM snapshot (or a VM) and its disks are destroyed."""
    pool.storage.delete_vm(pool.estate.ref("VM", name))


def coalesce_inner(pool: XapiPool, vdi: str) -> None:
    """The merge of a hidden node into its parent is finished."""
    pool.storage.coalesce_inner(vdi)


def coalesce_leaf(pool: XapiPool, vdi: str) -> None:
    """The merge of a leaf into its parent is finished."""
    pool.storage.coalesce_leaf(vdi)


def gc_start(pool: XapiPool, sr: str) -> bool:
    """A collection begins; whether it has work."""
    collection = Collection(pool.storage, _sr(pool, sr))
    pool.collections[collection.sr] = collection
    return collection.start()


def gc_step(pool: XapiPool, sr: str) -> str:
    """One merge of the running collection; its uuid, empty at the end."""
    return pool.collections[_sr(pool, sr)].step()


def gc_finish(pool: XapiPool, sr: str, status: str = "success") -> None:
    """The collection's task ends."""
    pool.collections[_sr(pool, sr)].finish(status)


def gc_reap(pool: XapiPool, sr: str) -> None:
    """xapi's database GC takes the ended task."""
    pool.collections.pop(_sr(pool, sr)).reap()


def gc_run(pool: XapiPool, sr: str) -> list[str]:
    """A whole collection at once; the uuids merged."""
    collection = Collection(pool.storage, _sr(pool, sr))
    merged = []
    if collection.start():
        while found := collection.step():
            merged.append(found)
    collection.finish()
    collection.reap()
    return merged


async def gc_play(pool: XapiPool, sr: str, seconds_each: float = 1.0, linger_seconds: float = 5.0) -> list[str]:
    """A collection in real time, for people to watch; the uuids merged. Its task lingers after the end."""
    collection = Collection(pool.storage, _sr(pool, sr))
    merged = []
    if collection.start():
        await asyncio.sleep(seconds_each)
        while found := collection.step():
            merged.append(found)
            await asyncio.sleep(seconds_each)
    collection.finish()
    await asyncio.sleep(linger_seconds)
    collection.reap()
    return merged


def no_space(pool: XapiPool, sr: str, vdis: Sequence[str] = ()) -> str:
    """The collection was refused for lack of space; the message's reference."""
    return Collection(pool.storage, _sr(pool, sr)).no_space(list(vdis))


def space_again(pool: XapiPool, sr: str) -> None:
    """There is room again: the message goes, the keys stay."""
    Collection(pool.storage, _sr(pool, sr)).space_again()


def coalesce_error(pool: XapiPool, sr: str, name: str = "No space left on device") -> str:
    """A merge died of a disk error; the message's reference."""
    return Collection(pool.storage, _sr(pool, sr)).coalesce_error(name)


def set_sm_config(pool: XapiPool, vdi: str, entries: Mapping[str, str]) -> None:
    """Flags and whatever else SM notes: paused, relinking, activating, host_<ref>, vhd-parent that points nowhere."""
    pool.database.put("VDI", pool.estate.ref("VDI", vdi), "sm_config", dict(entries))


def clear_sm_config(pool: XapiPool, vdi: str, keys: Sequence[str]) -> None:
    """The keys are gone."""
    pool.database.remove_from("VDI", pool.estate.ref("VDI", vdi), "sm_config", *keys)


def set_fields(pool: XapiPool, class_name: str, name_or_ref: str, **fields: Any) -> None:
    """Write fields of an object named by uuid, reference or name."""
    pool.database.set(class_name, pool.estate.ref(class_name, name_or_ref), **fields)


def set_unknown_field(pool: XapiPool, class_name: str, name: str, field: str, value: Any) -> None:
    """A field that this version of XenAPI did not have yet."""
    ref = pool.estate.ref(class_name, name)
    pool.database.get(class_name, ref)[field] = value
    pool.database.touch(class_name, ref)


def put_other_config(pool: XapiPool, class_name: str, name: str, entries: Mapping[str, str]) -> None:
    """Keys of `other_config`."""
    pool.database.put(class_name, pool.estate.ref(class_name, name), "other_config", dict(entries))


def vm_start(pool: XapiPool, vm: str, host: str) -> None:
    pool.guests.start(pool.estate.ref("VM", vm), pool.host(host))


def vm_shutdown(pool: XapiPool, vm: str) -> None:
    pool.guests.shut_down(pool.estate.ref("VM", vm))


def vm_migrate(pool: XapiPool, vm: str, host: str) -> None:
    pool.guests.migrate(pool.estate.ref("VM", vm), pool.host(host))


def vm_suspend(pool: XapiPool, vm: str, sr: str) -> None:
    pool.guests.suspend(pool.estate.ref("VM", vm), _sr(pool, sr))


def attach_to_control_domain(pool: XapiPool, vdi: str, host: str) -> str:
    """A disk left on dom0, as an export does; the VBD's reference."""
    domain = pool.database.get("host", pool.host(host))["control_domain"]
    return pool.estate.attach(domain, pool.estate.ref("VDI", vdi), 8, mode="RO")


def pbd_set_attached(pool: XapiPool, sr: str, host: str, attached: bool) -> None:
    """PBD.plug, PBD.unplug."""
    host_ref = pool.host(host)
    for pbd in list(pool.database.get("SR", _sr(pool, sr))["PBDs"]):
        if pool.database.get("PBD", pbd)["host"] == host_ref:
            pool.database.set("PBD", pbd, currently_attached=attached)


def message(pool: XapiPool, name: str, priority: int, class_name: str, uuid: str, body: str = "", at: str = "") -> str:
    """A message; its reference."""
    return pool.messages.create(name, priority, class_name, uuid, body, parse_time(at) if at else None)


def begin_task(pool: XapiPool, name: str, sr: str = "", description: str = "") -> str:
    """A pending task; its reference."""
    return pool.estate.begin_task(name, _sr(pool, sr) if sr else NULL, description)


def end_task(pool: XapiPool, task: str, status: str = "success", error_info: Sequence[str] = ()) -> None:
    """It ends and stays until `drop_task`."""
    pool.estate.end_task(task, status, error_info)


def drop_task(pool: XapiPool, task: str) -> None:
    """xapi's database GC takes it."""
    pool.database.destroy("task", task)


def publish_blocks(pool: XapiPool, sr: str) -> None:
    """`vhd-blocks` of every node with children is written."""
    pool.disks.publish_blocks(_sr(pool, sr))


async def scan_sr(pool: XapiPool, sr: str) -> None:
    """SR.scan, as xapi's own timer runs it."""
    await pool.scan(_sr(pool, sr))


def _sr(pool: XapiPool, name: str) -> str:
    return pool.estate.ref("SR", name)


ALL: tuple[Callable[..., Any], ...] = (
    add_chain,
    add_image,
    add_sr,
    add_vdi,
    add_vm,
    attach_to_control_domain,
    begin_task,
    clear_sm_config,
    coalesce_error,
    coalesce_inner,
    coalesce_leaf,
    delete_snapshot,
    drop_task,
    end_task,
    gc_finish,
    gc_play,
    gc_reap,
    gc_run,
    gc_start,
    gc_step,
    message,
    no_space,
    pbd_set_attached,
    publish_blocks,
    put_other_config,
    scan_sr,
    set_fields,
    set_sm_config,
    set_unknown_field,
    snapshot_vm,
    space_again,
    sr_images,
    vm_migrate,
    vm_shutdown,
    vm_start,
    vm_suspend,
)
