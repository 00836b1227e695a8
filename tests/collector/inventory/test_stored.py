"""A stored picture is the picture; what is no picture is said to be none."""

import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from chainwatch_collector.inventory.dump import picture_from_dump
from chainwatch_collector.inventory.stored import StoredPictureError, picture_from_bytes, picture_to_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from lab.xapi.handle import LabPool

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)


def test_a_whole_pool(lab: LabPool) -> None:
    sr = lab.call(lambda pool: pool.estate.find("SR", "nfs-1"))
    lab.call(lambda pool: pool.estate.begin_task("Garbage Collection", sr))
    lab.call(lambda pool: pool.messages.create("SM_GC_NO_SPACE", 3, "SR", "x", "no\nroom"))
    picture = replace(
        picture_from_dump(lab.dump(), AT),
        problem="network: refused",
        problem_since=AT,
        master_since=AT,
        host_enabled_since={"OpaqueRef:h": AT},
        pbd_attached_since={"OpaqueRef:b": AT},
    )
    picture = replace(picture, vdis_by_sr={ref: vdis for ref, vdis in picture.vdis_by_sr.items() if vdis})
    assert picture_from_bytes(picture_to_bytes(picture)) == picture


def test_paths_and_formats_keep_their_types() -> None:
    pbd = {"other_config": {"mpath-1": "[1, 2]", "iscsi_sessions": "[1, 2]"}, "host": "OpaqueRef:h"}
    picture = picture_from_dump(
        {"PBD": {"OpaqueRef:b": pbd}, "SM": {"OpaqueRef:s": {"type": "nfs", "features": {"A": 1}}}}
    )
    assert picture_from_bytes(picture_to_bytes(picture)) == picture


def test_an_older_or_newer_one() -> None:
    head: dict[str, object] = {"version": 1, "as_of": None, "problem": "", "problem_since": None, "master_since": None}
    head |= {"host_enabled_since": {}, "pbd_attached_since": {}}
    rows = [{"class": "Vbd", "fields": ["ref", "uuid", "vm_ref", "vdi_ref", "colour"]}, ["r", "u", "v", None, "red"]]
    rows += [{"class": "Sheep", "fields": ["ref"]}, ["r"]]
    text = "\n".join(json.dumps(line) for line in [head, *rows])
    picture = picture_from_bytes(zlib.compress(text.encode()))
    assert picture.vbds["r"].mode == "RW"
    with pytest.raises(StoredPictureError, match="version 7"):
        picture_from_bytes(zlib.compress(b'{"version": 7}'))


@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_what_is_none(data: bytes) -> None:
    for body in (data, zlib.compress(data), zlib.compress(data)[:-3]):
        with pytest.raises(StoredPictureError):
            picture_from_bytes(body)
