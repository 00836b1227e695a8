"""Chains written by hand and by hypothesis: SRs and VDIs in few words."""

from __future__ import annotations

from typing import Any

from chainwatch_collector.inventory.records import Sr, Vdi
from hypothesis import strategies as st

MIB, GIB, TIB = 2**20, 2**30, 2**40
SR_REF = "OpaqueRef:sr"


def sr(kind: str = "nfs", **fields: Any) -> Sr:
    """A shared SR of 1 TiB, a tenth used."""
    sized = {"physical_size_bytes": TIB, "physical_utilisation_bytes": TIB // 10}
    return Sr(**{"ref": SR_REF, "uuid": "sr", "name": "store", "type": kind, "shared": True, **sized, **fields})


def vdi(uuid: str, parent: str | None = None, **fields: Any) -> Vdi:
    """A visible VHD of 10 GiB; a `base` is hidden."""
    given = {"virtual_size_bytes": 10 * GIB, "image_format": "vhd", "vhd_parent": parent, **fields}
    return Vdi(**{"ref": f"OpaqueRef:{uuid}", "uuid": uuid, "name": uuid, "sr_ref": SR_REF, **given})


def base(uuid: str, parent: str | None = None, **fields: Any) -> Vdi:
    """A hidden node."""
    return vdi(uuid, parent, **{"managed": False, "name": "base copy", **fields})


def snap(uuid: str, parent: str | None = None, **fields: Any) -> Vdi:
    """A snapshot."""
    return vdi(uuid, parent, **{"is_a_snapshot": True, **fields})


def by_uuid(*vdis: Vdi) -> dict[str, Vdi]:
    """As a picture has them."""
    return {vdi.uuid: vdi for vdi in vdis}


UUIDS = [f"v{number:02d}" for number in range(14)]

_ANY_VDI = st.builds(
    vdi,
    st.sampled_from(UUIDS),
    # Parents that are not there, the VDI itself, loops: a picture may hold all of it.
    st.one_of(st.none(), st.sampled_from([*UUIDS, "gone", ""])),
    managed=st.booleans(),
    is_a_snapshot=st.booleans(),
    missing=st.sampled_from([False] * 9 + [True]),
    raw=st.sampled_from([False] * 9 + [True]),
    type=st.sampled_from(["user"] * 12 + ["suspend", "cbt_metadata", "ha_statefile", "new_type"]),
    image_format=st.sampled_from(["vhd", "vhd", "qcow2", "raw", None]),
    virtual_size_bytes=st.sampled_from([0, 1, 10 * GIB, 3 * TIB]),
    physical_utilisation_bytes=st.sampled_from([-1, 0, GIB, 4 * TIB]),
    allocated_blocks=st.sampled_from([None, 0, 7, 5000]),
    merged_blocks=st.sampled_from([None, 0, 9, 6000, 900_000]),
    paused=st.sampled_from([False] * 9 + [True]),
    relinking=st.sampled_from([False] * 9 + [True]),
    activating=st.sampled_from([False] * 9 + [True]),
    attached_hosts=st.sampled_from([{}, {}, {"h1": "RW"}, {"h2": "RO"}, {"h1": "RO", "h2": "RO"}]),
    on_boot=st.sampled_from(["persist"] * 5 + ["reset"]),
    allow_caching=st.sampled_from([False] * 5 + [True]),
    other_config=st.sampled_from([{}, {}, {"leaf-coalesce": "false"}, {"leaf-coalesce": "force"}]),
)

forests = st.lists(_ANY_VDI, max_size=18).map(lambda vdis: by_uuid(*vdis))
"""Random VDIs of one SR, of which few make sense."""

srs = st.builds(
    sr,
    st.sampled_from(["lvm", "nfs", "ext", "linstor", "lvmoiscsi", "iso", "gfs2", ""]),
    other_config=st.sampled_from([{}, {}, {}, {"gc": "false"}, {"coalesce": "false"}, {"leaf-coalesce": "false"}]),
    physical_size_bytes=st.sampled_from([-1, 0, 10 * GIB, TIB]),
)


@st.composite
def grown(draw: st.DrawFn) -> dict[str, Vdi]:
    """Sound trees as snapshots and deletions leave them: every node but the leaves hidden, no garbage."""
    vdis: dict[str, Vdi] = {}
    count = 0

    def grow(parent: str | None, room: int) -> None:
        nonlocal count
        count += 1
        uuid = f"n{count:03d}"
        branches = draw(st.integers(0, 3)) if room > 0 and count < 40 else 0
        if branches:
            blocks = draw(st.integers(0, 2000))
            vdis[uuid] = base(uuid, parent, allocated_blocks=blocks, merged_blocks=2 * blocks)
        else:
            vdis[uuid] = draw(st.sampled_from([vdi, snap]))(uuid, parent)
        for _ in range(branches):
            grow(uuid, room - 1)

    for _ in range(draw(st.integers(1, 3))):
        grow(None, 7)
    return vdis
