"""Inventory dumps: what is missing is no error, what is nonsense is named."""

import re
from typing import Any

import pytest
from chainwatch_collector.inventory.dump import InventoryError, picture_from_dump
from collector.inventory.test_blocks import vhd_blocks

DUMP: dict[str, Any] = {
    "pool": {"OpaqueRef:p": {"uuid": "p", "master": "OpaqueRef:h"}},
    "host": {"OpaqueRef:h": {"uuid": "h", "metrics": "OpaqueRef:m"}},
    "host_metrics": {"OpaqueRef:m": {"live": False}},
    "SR": {"OpaqueRef:s": {"uuid": "s", "type": "nfs", "VDIs": ["OpaqueRef:1", "OpaqueRef:2"]}},
    "VDI": {
        "OpaqueRef:1": {"uuid": "1", "sm_config": {"vhd-blocks": vhd_blocks([1, 2])}},
        "OpaqueRef:2": {"uuid": "2", "sm_config": {"vhd-parent": "1", "vhd-blocks": vhd_blocks([2, 3])}},
        "OpaqueRef:3": {"uuid": "3", "SR": "OpaqueRef:elsewhere"},
    },
    "SM": {"OpaqueRef:sm": {"type": "nfs", "features": {"VDI_SNAPSHOT": "1"}}},
    "message": {
        "OpaqueRef:b": {"uuid": "b", "timestamp": "20260102T00:00:00Z"},
        "OpaqueRef:a": {"uuid": "a", "timestamp": "20260101T00:00:00Z"},
    },
    "VLAN": {"OpaqueRef:x": 5},
}


def test_a_dump_becomes_a_picture() -> None:
    picture = picture_from_dump(DUMP)
    assert picture.pool is not None
    assert picture.reachable
    assert picture.hosts["OpaqueRef:h"].live is False
    vdis = picture.vdis("OpaqueRef:s")
    assert {uuid: (vdi.allocated_blocks, vdi.merged_blocks) for uuid, vdi in vdis.items()} == {
        "1": (2, None),
        "2": (2, 3),
    }
    assert list(picture.vdis("OpaqueRef:elsewhere")) == ["3"]
    assert picture.sm_types["nfs"].features == {"VDI_SNAPSHOT"}
    assert [message.uuid for message in picture.messages] == ["a", "b"]


def test_one_class_is_enough_in_any_case() -> None:
    picture = picture_from_dump({"vdi": {"OpaqueRef:1": {"SR": "OpaqueRef:s"}}})
    assert [vdi.ref for vdi in picture.all_vdis()] == ["OpaqueRef:1"]
    assert picture.pool is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "the inventory is a list, not an object"),
        ({"runs": []}, "no class in it is known"),
        ({"VDI": []}, "VDI: a list, not an object of records"),
        ({"VDI": {"OpaqueRef:1": "x"}}, "VDI OpaqueRef:1: a string, not a record"),
        ({"SR": {"OpaqueRef:s": {"physical_size": "much"}}}, "SR OpaqueRef:s physical_size: 'much' is not an integer"),
        ({"VBD": {"OpaqueRef:v": {"VM": {}}}}, "VBD OpaqueRef:v VM: {} is not a reference"),
    ],
)
def test_nonsense_names_class_reference_and_field(body: Any, message: str) -> None:
    with pytest.raises(InventoryError, match=re.escape(message)):
        picture_from_dump(body)
