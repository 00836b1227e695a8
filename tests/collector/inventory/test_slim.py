"""Raw records, in every form that XenAPI uses, to slim ones."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from xmlrpc.client import DateTime

import pytest
from chainwatch_collector.inventory.fields import Fields, InventoryError, parse_pair, parse_time
from chainwatch_collector.inventory.slim import (
    SLIMMERS,
    slim_host,
    slim_message,
    slim_pbd,
    slim_pool,
    slim_sr,
    slim_task,
    slim_vdi,
    slim_vm,
)
from collector.inventory.test_blocks import vhd_blocks
from hypothesis import given, settings
from hypothesis import strategies as st

AT = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
VDI = {
    "uuid": "11111111-0000-4000-8000-000000000001",
    "name_label": "base copy",
    "SR": "OpaqueRef:sr",
    "virtual_size": "8589934592",
    "physical_utilisation": 4096,
    "managed": "false",
    "is_a_snapshot": 0,
    "snapshot_of": "OpaqueRef:NULL",
    "snapshot_time": "20261125T10:00:00Z",
    "cbt_enabled": False,
    "xenstore_data": {"secret": "yes"},
    "sm_config": {
        "vhd-parent": "22222222-0000-4000-8000-000000000002",
        "vdi_type": "vhd",
        "vhd-blocks": vhd_blocks([0, 9]),
        "host_OpaqueRef:h": "RW",
        "paused": "true",
        "relinking": "",
    },
    "other_config": {"xo:backup:job": "j", "leaf-coalesce": "offline", "password": "p", "xo:big": "x" * 600},
    "current_operations": {"OpaqueRef:task": "snapshot"},
}


def fields(raw: dict[str, Any], kind: str = "VDI", *, strict: bool = True) -> Fields:
    return Fields(kind, "OpaqueRef:it", raw, strict=strict)


def test_a_vdi() -> None:
    vdi, bitmap = slim_vdi(fields(VDI))
    assert (vdi.uuid, vdi.sr_ref, vdi.vhd_parent) == (
        VDI["uuid"],
        "OpaqueRef:sr",
        "22222222-0000-4000-8000-000000000002",
    )
    assert (vdi.virtual_size_bytes, vdi.physical_utilisation_bytes, vdi.allocated_blocks) == (8589934592, 4096, 2)
    assert (vdi.managed, vdi.is_a_snapshot, vdi.cbt_enabled, vdi.snapshot_of_ref) == (False, False, False, None)
    assert (vdi.image_format, vdi.raw, vdi.paused, vdi.relinking) == ("vhd", False, True, False)
    assert vdi.attached_hosts == {"OpaqueRef:h": "RW"}
    assert vdi.other_config == {"xo:backup:job": "j", "leaf-coalesce": "offline"}
    assert (vdi.current_operations, vdi.snapshot_time) == (("snapshot",), AT)
    assert bitmap is not None
    assert "secret" not in repr(vdi)


def test_what_goes_on_with_a_vdi_is_seen_beside_what_it_is() -> None:
    quiet = {"vdi_type": "vhd", "vhd-parent": "p"}
    assert not slim_vdi(fields({"sm_config": quiet})).vdi.attached_hosts
    for key, name in (("paused", "paused"), ("relinking", "relinking"), ("activating", "activating")):
        assert getattr(slim_vdi(fields({"sm_config": {**quiet, key: "true"}})).vdi, name) is True
    assert slim_vdi(fields({"sm_config": {**quiet, "host_OpaqueRef:h": "RO"}})).vdi.attached_hosts == {
        "OpaqueRef:h": "RO"
    }
    assert slim_vdi(fields({"sm_config": {**quiet, "gc_no_space": "OpaqueRef:m"}})).vdi.gc_no_space


def test_other_merged_blocks_and_everything_else_the_same() -> None:
    vdi = slim_vdi(fields(VDI)).vdi
    assert vdi.with_merged(7) == vdi._replace(merged_blocks=7) != vdi


@pytest.mark.parametrize("kind", SLIMMERS)
def test_every_field_is_optional(kind: str) -> None:
    made = SLIMMERS[kind](fields({}, kind))
    assert made is None or made


@pytest.mark.parametrize(
    ("sm_config", "image_format"),
    [
        ({"vdi_type": "aio"}, "raw"),
        ({"image-format": "qcow2", "vdi_type": "vhd"}, "qcow2"),
        ({"vdi_type": "zfs"}, None),
        ({"vhd-blocks": "skipped"}, None),
    ],
)
def test_image_formats(sm_config: dict[str, str], image_format: str | None) -> None:
    vdi, bitmap = slim_vdi(fields({"sm_config": sm_config}))
    assert (vdi.image_format, vdi.raw, vdi.allocated_blocks, bitmap) == (
        image_format,
        image_format == "raw",
        None,
        None,
    )


@pytest.mark.parametrize(
    "value",
    [
        "20261125T10:00:00Z",
        "2026-11-25T10:00:00Z",
        "2026-11-25T10:00:00",
        "20261125T10:00:00",
        "2026-11-25T11:00:00.000+01:00",
        1795600800,
        1795600800.0,
        DateTime("20261125T10:00:00Z"),
        DateTime("20261125T10:00:00"),
    ],
)
def test_times(value: object) -> None:
    assert parse_time(value) == AT


@pytest.mark.parametrize("value", ["", "yesterday", "20261399T00:00:00Z", None, True, 1e300, [], "9999999999999"])
def test_no_times(value: object) -> None:
    assert parse_time(value) is None


def test_the_epoch_means_never() -> None:
    assert fields({"snapshot_time": "19700101T00:00:00Z"}).time("snapshot_time") is None


def test_pairs() -> None:
    assert parse_pair("[3, 4]") == (3, 4)
    assert parse_pair("3,4") == (3, 4)
    assert [parse_pair(text) for text in ("", "[3]", "x", None, 3)] == [None] * 5


def test_a_pbd_keeps_no_secret() -> None:
    other = {"multipathed": "true", "mpath-360a": "[1, 2]", "mpath-bad": "x", "iscsi_sessions": "[2, 2]"}
    pbd = slim_pbd(fields({"device_config": {"chappassword": "s3cret", "provisioning": "thin"}, "other_config": other}))
    assert (pbd.paths, pbd.iscsi_sessions, pbd.multipathed, pbd.provisioning) == (
        {"360a": (1, 2)},
        (2, 2),
        True,
        "thin",
    )
    assert "s3cret" not in repr(pbd)


def test_sr_pool_host_vm_task_message() -> None:
    sr = slim_sr(fields({"type": "LVMoISCSI", "physical_size": "-1", "sm_config": {"allocation": "thin", "x": "y"}}))
    assert (sr.type, sr.physical_size_bytes, sr.sm_config) == ("lvmoiscsi", -1, {"allocation": "thin"})
    pool = slim_pool(
        fields({"restrictions": {"restrict_rbac": "false", "restrict_cbt": "true"}, "master": "OpaqueRef:h"})
    )
    assert (pool.restrictions, pool.master_ref) == (frozenset({"restrict_cbt"}), "OpaqueRef:h")
    host = slim_host(
        fields({"software_version": {"product_version": "8.3.0", "date": "x"}, "enabled": "1"}), live=False
    )
    assert (host.software, host.enabled, host.live) == ({"product_version": "8.3.0"}, True, False)
    vm = slim_vm(fields({"VUSBs": ["a", "b"], "blocked_operations": {"snapshot": "E"}, "power_state": "Melting"}))
    assert (vm.vusb_count, vm.blocked_operations, vm.power_state) == (2, {"snapshot": "E"}, "Melting")
    task = slim_task(
        fields({"other_config": {"applies_to": "OpaqueRef:sr"}, "progress": "0.5", "error_info": ["E", "1"]})
    )
    assert (task.applies_to_ref, task.progress, task.error_info) == ("OpaqueRef:sr", 0.5, ("E", "1"))
    message = slim_message(fields({"name": "SM_GC_NO_SPACE", "priority": "3", "timestamp": "20261125T10:00:00Z"}))
    assert (message.name, message.priority, message.at) == ("SM_GC_NO_SPACE", 3, AT)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("virtual_size", "big"),
        ("virtual_size", []),
        ("managed", "perhaps"),
        ("SR", 5),
        ("snapshot_time", "soon"),
        ("sm_config", "x"),
        ("current_operations", 3),
        ("name_label", []),
    ],
)
def test_nonsense_is_named_when_strict_and_absent_when_live(field: str, value: object) -> None:
    with pytest.raises(InventoryError, match=rf"^VDI OpaqueRef:it {field}: .* is not "):
        slim_vdi(fields({field: value}))
    slim_vdi(fields({field: value}, strict=False))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)

_NAMES = (
    *("uuid", "name_label", "SR", "sm_config", "other_config", "snapshot_time", "physical_size", "tags", "live"),
    *("managed", "device_config", "restrictions", "features", "progress", "error_info", "current_operations"),
)


@given(st.sampled_from(sorted(SLIMMERS)), st.data())
@settings(max_examples=200, deadline=None)
def test_a_live_record_never_raises(kind: str, data: st.DataObject) -> None:
    raw = data.draw(st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=6))
    SLIMMERS[kind](fields(raw, kind, strict=False))


def test_offsets_become_utc() -> None:
    at = parse_time(AT.astimezone(timezone(timedelta(hours=5))).isoformat())
    assert at == AT
    assert at is not None
    assert at.tzinfo is UTC
