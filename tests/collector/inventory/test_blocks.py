"""Bitmaps: counted, joined with the parent's, and never trusted."""

import base64
import zlib
from collections.abc import Sequence

import pytest
from chainwatch_collector.inventory.blocks import (
    MAX_BITMAP_BYTES,
    BlockMaps,
    digest,
    inflate,
    parse_bitmap,
    with_merged_blocks,
)
from chainwatch_collector.inventory.records import Vdi
from hypothesis import given, settings
from hypothesis import strategies as st


def vhd_blocks(bits: Sequence[int], size: int = 64) -> str:
    """A `vhd-blocks` value with these blocks allocated."""
    bitmap = bytearray(size)
    for bit in bits:
        bitmap[bit // 8] |= 1 << bit % 8
    return base64.b64encode(zlib.compress(bytes(bitmap))).decode()


def vdi(uuid: str, parent: str | None = None) -> Vdi:
    return Vdi(ref=f"OpaqueRef:{uuid}", uuid=uuid, name="", sr_ref="OpaqueRef:sr", vhd_parent=parent)


@given(st.sets(st.integers(0, 511)), st.sets(st.integers(0, 255)))
@settings(max_examples=50, deadline=None)
def test_counts_are_those_of_sets(child: set[int], parent: set[int]) -> None:
    maps = BlockMaps()
    maps.add("child", parse_bitmap(vhd_blocks(sorted(child))))
    maps.add("parent", parse_bitmap(vhd_blocks(sorted(parent), 32)))
    bitmap = parse_bitmap(vhd_blocks(sorted(child)))
    assert bitmap is not None
    assert bitmap.blocks == len(child)
    assert maps.merged("child", "parent") == len(child | parent)


@pytest.mark.parametrize("value", [None, "", "skipped", 7, "!!!", "eJw", base64.b64encode(b"no zlib").decode()])
def test_what_is_no_bitmap_counts_as_none(value: object) -> None:
    assert parse_bitmap(value) is None


def test_a_cut_stream_and_a_bomb_count_as_none() -> None:
    whole = zlib.compress(bytes(range(256)) * 16)
    assert inflate(whole[:-20]) is None
    assert inflate(zlib.compress(bytes(MAX_BITMAP_BYTES + 1))) is None
    assert inflate(zlib.compress(bytes(MAX_BITMAP_BYTES))) is not None


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_value_raises(data: bytes) -> None:
    parse_bitmap(base64.b64encode(data).decode())
    parse_bitmap(data.decode("latin-1"))


def test_bitmaps_beyond_the_limit_are_inflated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainwatch_collector.inventory.blocks.MOST_INFLATED_BYTES", 1)
    maps = BlockMaps()
    maps.add("a", parse_bitmap(vhd_blocks([100])))
    maps.add("b", parse_bitmap(vhd_blocks([200])))
    assert maps.merged("a", "b") == 2


def test_only_children_alone_are_joined() -> None:
    maps = BlockMaps()
    for uuid in "abcd":
        maps.add(uuid, parse_bitmap(vhd_blocks([ord(uuid) - 97, 10])))
    only = with_merged_blocks({v.uuid: v for v in (vdi("a"), vdi("b", "a"), vdi("c", "b"))}, maps)
    assert [only[uuid].merged_blocks for uuid in "abc"] == [None, 3, 3]
    two = with_merged_blocks({v.uuid: v for v in (vdi("a"), vdi("b", "a"), vdi("c", "a"), vdi("d", "gone"))}, maps)
    assert {v.merged_blocks for v in two.values()} == {None}


def test_forgetting_and_digests() -> None:
    maps = BlockMaps()
    first = parse_bitmap(vhd_blocks([1]))
    assert first is not None
    maps.add("a", first)
    maps.add("a", None)
    assert "a" not in maps
    assert maps.merged("a", "a") is None
    assert digest(first.deflated) != digest(first.deflated + b"x")
