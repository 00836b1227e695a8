"""Records and events put together: shared maps, merged blocks without bitmaps, since when things are as they are."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chainwatch_collector.inventory.assembly import Assembly
from chainwatch_collector.inventory.dump import picture_from_dump
from chainwatch_collector.inventory.fetch import apply_batch, differing
from chainwatch_collector.inventory.picture import Picture
from chainwatch_collector.inventory.session import EventBatch
from collector.inventory.test_blocks import vhd_blocks
from hypothesis import given, settings
from hypothesis import strategies as st

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
NOTHING = Picture(pool=None, as_of=None)
Raw = dict[str, Any]


def raw_vdi(uuid: str, parent: str = "", blocks: tuple[int, ...] | None = None, sr: str = "s") -> Raw:
    sm_config = {"vhd-parent": parent} if parent else {}
    if blocks is not None:
        sm_config["vhd-blocks"] = vhd_blocks(blocks)
    return {"uuid": uuid, "SR": f"OpaqueRef:{sr}", "sm_config": sm_config}


def picture(assembly: Assembly, before: Picture = NOTHING, at: datetime = AT) -> Picture:
    return assembly.picture(before, at, ())


def small() -> Assembly:
    assembly = Assembly()
    assembly.put("pool", "OpaqueRef:p", {"uuid": "p", "master": "OpaqueRef:h"})
    assembly.put("host", "OpaqueRef:h", {"uuid": "h", "metrics": "OpaqueRef:m", "enabled": True})
    assembly.put("PBD", "OpaqueRef:b", {"uuid": "b", "host": "OpaqueRef:h", "SR": "OpaqueRef:s"})
    assembly.put("VDI", "OpaqueRef:1", raw_vdi("1", blocks=(1,)))
    assembly.put("VDI", "OpaqueRef:2", raw_vdi("2", "1", blocks=(2,)))
    assembly.put("VDI", "OpaqueRef:3", raw_vdi("3", sr="t"))
    assembly.settle()
    return assembly


def test_what_did_not_change_is_shared() -> None:
    assembly = small()
    first = picture(assembly)
    assembly.put("VDI", "OpaqueRef:3", raw_vdi("3", sr="t") | {"name_label": "new"})
    assembly.settle()
    second = picture(assembly, first)
    assert second.vdis("OpaqueRef:s") is first.vdis("OpaqueRef:s")
    assert second.vdis("OpaqueRef:t") is not first.vdis("OpaqueRef:t")
    assert (first.vdis("OpaqueRef:t")["3"].name, second.vdis("OpaqueRef:t")["3"].name) == ("", "new")
    assert second.hosts is first.hosts
    assembly.put("VDI", "OpaqueRef:3", raw_vdi("3", sr="t") | {"name_label": "new", "location": "noise"})
    assembly.settle()
    assert picture(assembly, second).vdis_by_sr is second.vdis_by_sr


def test_a_host_is_joined_with_its_metrics_in_any_order() -> None:
    assembly = small()
    assert picture(assembly).hosts["OpaqueRef:h"].live is None
    assembly.put("host_metrics", "OpaqueRef:m", {"live": "true"})
    assert picture(assembly).hosts["OpaqueRef:h"].live is True
    assembly.put("host", "OpaqueRef:h", {"uuid": "h", "metrics": "OpaqueRef:m", "enabled": False})
    host = picture(assembly).hosts["OpaqueRef:h"]
    assert (host.live, host.enabled) == (True, False)


def test_a_changed_bitmap_needs_the_other_one_of_its_pair() -> None:
    assembly = small()
    assert picture(assembly).vdis("OpaqueRef:s")["2"].merged_blocks == 2
    assembly.put("VDI", "OpaqueRef:1", raw_vdi("1", blocks=(1, 2, 3)))
    assert assembly.needed() == ["OpaqueRef:2"]
    assembly.put("VDI", "OpaqueRef:2", raw_vdi("2", "1", blocks=(2,)))
    assert assembly.needed() == []
    assembly.settle()
    assert picture(assembly).vdis("OpaqueRef:s")["2"].merged_blocks == 3


def test_a_changed_record_with_the_same_bitmap_needs_nothing() -> None:
    assembly = small()
    assembly.put("VDI", "OpaqueRef:2", raw_vdi("2", "1", blocks=(2,)) | {"name_label": "x"})
    assert assembly.needed() == []
    assembly.settle()
    vdi = picture(assembly).vdis("OpaqueRef:s")["2"]
    assert (vdi.name, vdi.merged_blocks) == ("x", 2)


def test_since_when() -> None:
    assembly = small()
    first = picture(assembly)
    assert (first.master_since, dict(first.host_enabled_since), dict(first.pbd_attached_since)) == (None, {}, {})
    assembly.put("host", "OpaqueRef:h", {"uuid": "h", "enabled": False})
    assembly.put("PBD", "OpaqueRef:b", {"uuid": "b", "currently_attached": True})
    second = picture(assembly, first, AT + timedelta(seconds=1))
    assert second.pbd_attached_since == {"OpaqueRef:b": AT + timedelta(seconds=1)}
    assembly.put("host", "OpaqueRef:h", {"uuid": "h", "enabled": True})
    assembly.put("pool", "OpaqueRef:p", {"uuid": "p", "master": "OpaqueRef:other"})
    third = picture(assembly, second, AT + timedelta(seconds=2))
    assert third.host_enabled_since == {"OpaqueRef:h": AT + timedelta(seconds=2)}
    assert third.master_since == AT + timedelta(seconds=2)
    last = picture(assembly, replace(third, problem="x"), AT + timedelta(seconds=3))
    assert (last.master_since, last.host_enabled_since) == (third.master_since, third.host_enabled_since)
    assert last.problem == ""


def test_counts_that_differ() -> None:
    assembly = small()
    counts = {"vdi": 2, "host": 1, "pool": 1, "session": 9}
    assert differing(assembly, counts) == {"VDI": (3, 2)}


def test_events_in_any_case_and_of_any_class() -> None:
    assembly = small()
    events: list[Raw] = [
        {"class": "vdi", "operation": "del", "ref": "OpaqueRef:1"},
        {"class": "VDI", "operation": "del", "ref": "OpaqueRef:never"},
        {"class": "network", "operation": "add", "ref": "OpaqueRef:n", "snapshot": {}},
        {"class": "vm", "operation": "mod", "ref": "OpaqueRef:v", "snapshot": {"uuid": "v", "power_state": "Odd"}},
        {"operation": "add"},
    ]
    assert apply_batch(assembly, EventBatch(events, "1,1", {})) == 5
    assembly.settle()
    assert assembly.refs("VDI") == {"OpaqueRef:2", "OpaqueRef:3"}
    assert picture(assembly).vms["OpaqueRef:v"].power_state == "Odd"


_UUIDS = st.sampled_from("abcdef")
_BLOCKS = st.none() | st.sets(st.integers(0, 20), max_size=4).map(lambda bits: tuple(sorted(bits)))
_STEPS = st.lists(
    st.tuples(_UUIDS, st.sampled_from(["", *"abcdef"]), _BLOCKS, st.booleans(), st.booleans()), max_size=25
)


@given(_STEPS)
@settings(max_examples=200, deadline=None)
def test_after_any_changes_it_is_what_a_full_read_gives(steps: list[tuple[str, str, Any, bool, bool]]) -> None:
    """Also `merged_blocks`, though bitmaps are forgotten after each batch; `needed` is answered as a server would."""
    assembly, server = Assembly(), dict[str, Raw]()
    for uuid, parent, blocks, deleted, batch_ends in steps:
        ref = f"OpaqueRef:{uuid}"
        if deleted:
            server.pop(ref, None)
            assembly.drop("VDI", ref)
        else:
            server[ref] = raw_vdi(uuid, parent, blocks)
            assembly.put("VDI", ref, server[ref])
        if batch_ends:
            _settle(assembly, server)
    _settle(assembly, server)
    dumped = picture_from_dump({"VDI": server})
    assert picture(assembly).vdis_by_sr == {ref: vdis for ref, vdis in dumped.vdis_by_sr.items() if vdis}


def _settle(assembly: Assembly, server: dict[str, Raw]) -> None:
    for ref in assembly.needed():
        assembly.put("VDI", ref, server[ref])
    assert assembly.needed() == []
    assembly.settle()
