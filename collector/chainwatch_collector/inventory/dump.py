"""An inventory as JSON -> a `Picture`: `{"SR": {ref: record}, "VDI": {...}, ...}` as XenAPI returns the records.

A class or a field may be missing, integers may be numbers or strings, unknown classes are left alone. Pure.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from chainwatch_collector.inventory.blocks import BlockMaps, with_merged_blocks
from chainwatch_collector.inventory.fields import Fields, InventoryError
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.records import Host, Message, Ref, SmType, Vdi
from chainwatch_collector.inventory.slim import SLIMMERS, slim_host, slim_message, slim_vdi

__all__ = ["InventoryError", "picture_from_dump"]

CLASSES: Final = ("SR", "VDI", "VM", "VBD", "PBD", "host", "host_metrics", "pool", "SM", "task", "message")
T = TypeVar("T")
Records = Mapping[Ref, Mapping[str, Any]]


def picture_from_dump(body: Mapping[str, Any], as_of: datetime | None = None) -> Picture:
    """The picture of a dumped pool. Raises `InventoryError`: class, ref and field of what is no such thing."""
    if not isinstance(body, Mapping):
        raise InventoryError(
            f"the inventory is {_a(body)}, not an object of classes; `chainwatch pool dump` writes one"
        )
    dump = {name: _class(body, name) for name in CLASSES}
    if not any(dump.values()) and not any(isinstance(body.get(name), Mapping) for name in CLASSES):
        raise InventoryError(f"no class in it is known: expected some of {', '.join(CLASSES)}")
    pools = _slim(dump, "pool")
    return Picture(
        pool=next(iter(pools.values()), None),
        as_of=as_of,
        hosts=_hosts(dump),
        srs=_slim(dump, "SR"),
        vdis_by_sr=_vdis(dump),
        vms=_slim(dump, "VM"),
        vbds=_slim(dump, "VBD"),
        pbds=_slim(dump, "PBD"),
        sm_types=_by_type(_slim(dump, "SM")),
        tasks=_slim(dump, "task"),
        messages=_messages(dump["message"]),
    )


def _class(body: Mapping[str, Any], name: str) -> Records:
    found = next((key for key in body if key == name or str(key).lower() == name.lower()), None)
    records = body.get(found) if found is not None else None
    if records is None:
        return {}
    if not isinstance(records, Mapping):
        raise InventoryError(f"{name}: {_a(records)}, not an object of records by reference")
    for ref, record in records.items():
        if not isinstance(record, Mapping):
            raise InventoryError(f"{name} {ref}: {_a(record)}, not a record")
    return records


def _slim(dump: Mapping[str, Records], name: str) -> dict[Ref, Any]:
    make = SLIMMERS[name]
    return {ref: make(Fields(name, ref, record, strict=True)) for ref, record in dump[name].items()}


def _hosts(dump: Mapping[str, Records]) -> dict[Ref, Host]:
    live = _slim(dump, "host_metrics")
    hosts = {}
    for ref, record in dump["host"].items():
        f = Fields("host", ref, record, strict=True)
        hosts[ref] = slim_host(f, live.get(f.reference("metrics") or ""))
    return hosts


def _vdis(dump: Mapping[str, Records]) -> dict[Ref, dict[str, Vdi]]:
    """SR ref -> uuid -> VDI; an SR that is not in the dump has its VDIs all the same."""
    maps = BlockMaps()
    sr_of = _sr_of_vdis(dump["SR"])
    by_sr: dict[Ref, dict[str, Vdi]] = {ref: {} for ref in dump["SR"]}
    for ref, record in dump["VDI"].items():
        if "SR" not in record and ref in sr_of:
            record = {**record, "SR": sr_of[ref]}
        vdi, bitmap = slim_vdi(Fields("VDI", ref, record, strict=True))
        maps.add(vdi.uuid, bitmap)
        by_sr.setdefault(vdi.sr_ref, {})[vdi.uuid] = vdi
    return {sr_ref: with_merged_blocks(vdis, maps) for sr_ref, vdis in by_sr.items()}


def _sr_of_vdis(srs: Records) -> dict[Ref, Ref]:
    return {vdi_ref: ref for ref, sr in srs.items() for vdi_ref in Fields("SR", ref, sr, strict=True).texts("VDIs")}


def _by_type(types: Mapping[Ref, SmType]) -> dict[str, SmType]:
    return {sm_type.type: sm_type for sm_type in types.values()}


def _messages(records: Records) -> tuple[Message, ...]:
    slim = (slim_message(Fields("message", ref, record, strict=True)) for ref, record in records.items())
    return tuple(sorted(slim, key=lambda message: message.at))


def _a(value: object) -> str:
    return {list: "a list", str: "a string", type(None): "null"}.get(type(value), f"a {type(value).__name__}")
