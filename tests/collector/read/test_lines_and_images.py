"""Prefixes, image strings and tree dumps of every version (SMlog catalogue 1.1, 1.6, appendices B and C)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from chainwatch_collector.read import images
from chainwatch_collector.read.facts import Line, TreeSeen
from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.read.record import parse

GIB, MIB = 1 << 30, 1 << 20


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (b"Nov 13 12:31:27 XS-08 SMGC: [13829]   Running x", ("XS-08", "SMGC", 13829, "", "  Running x")),
        (b"Nov 13 12:31:27 h SMGC: [13061][MainThread] x", ("h", "SMGC", 13061, "MainThread", "x")),
        (b"Nov  3 12:31:27 h SM: [7][CowUtil_2] ['x']", ("h", "SM", 7, "CowUtil_2", "['x']")),
        (b"2026-11-22T07:40:33.310942+00:00 h SM: [7] x", ("h", "SM", 7, "", "x")),
        (b"Nov 13 12:31:27 h fairlock[812]: /run/x acquired", ("h", "fairlock", 812, "", "/run/x acquired")),
        (b"Nov 13 12:31:27 h SMGC: [7] ", ("h", "SMGC", 7, "", "")),
        (b"Nov 13 12:31:27 h SMGC: [7]", ("h", "SMGC", 7, "", "")),
        (
            b"Nov 13 12:31:27 h SMGC: message repeated 3 times: [ [7] No work, exiting]",
            ("h", "SMGC", 7, "", "No work, exiting"),
        ),
        (b"Nov 13 12:31:27 h SM: [7] \xff\xfe", ("h", "SM", 7, "", "\ufffd\ufffd")),
    ],
)
def test_prefix(data: bytes, want: tuple[object, ...]) -> None:
    record = parse(data)
    assert record is not None
    assert (record.host, record.ident, record.pid, record.thread, record.msg) == want


@pytest.mark.parametrize("data", [b"", b"no prefix", b"Nov 13 12:31 h SM: x", b"\0\0\0", b"[18930] Coalescing"])
def test_no_prefix(data: bytes) -> None:
    assert parse(data) is None


@pytest.mark.parametrize(
    ("text", "want"),
    [
        # 8.2
        ("11111111(20.000G/8.100G)", ("11111111", False, None, 20 * GIB, 8.1 * GIB, None, None, None)),
        ("33333333(?)[RAW]", ("33333333", False, "raw", None, None, None, None, None)),
        ("44444444[VHD](65.000G//33.836G|n)", ("44444444", False, "vhd", 65 * GIB, None, None, 33.836 * GIB, "n")),
        ("b5458d61(1.000G?)", ("b5458d61", False, None, GIB, None, None, None, None)),
        # 8.3 before QCOW2, and upstream
        ("*6fe80091(8.000G/1001.973M?)", ("6fe80091", True, None, 8 * GIB, 1001.973 * MIB, None, None, None)),
        ("*85ff84a8[VHD](65.000G///33.836G|n)", ("85ff84a8", True, "vhd", 65 * GIB, None, None, 33.836 * GIB, "n")),
        ("33333333(??)[RAW]", ("33333333", False, "raw", None, None, None, None, None)),
        ("OLD_f1af(4.000G/10.032M?)", ("OLD_f1af", False, None, 4 * GIB, 10.032 * MIB, None, None, None)),
        # 8.3 with QCOW2
        ("22222222(20.000G/1.500M/0)[vhd]", ("22222222", False, "vhd", 20 * GIB, 1.5 * MIB, 0, None, None)),
        ("33333333(???)[aio]", ("33333333", False, "aio", None, None, None, None, None)),
        (
            "55555555[vhd](65.000G/2.500G/2.400G/65.133G|ao)",
            ("55555555", False, "vhd", 65 * GIB, 2.5 * GIB, 2.4 * GIB, 65.133 * GIB, "ao"),
        ),
        ("66666666[RAW](65.000G///65.000G|a)", ("66666666", False, "raw", 65 * GIB, None, None, 65 * GIB, "a")),
        (
            "*88888888(20.000G/5.000G/4.000G)[qcow2]",
            ("88888888", True, "qcow2", 20 * GIB, 5 * GIB, 4 * GIB, None, None),
        ),
    ],
)
def test_image(text: str, want: tuple[object, ...]) -> None:
    node = images.image(text)
    assert node is not None
    sizes = (node.virtual_bytes, node.physical_bytes, node.allocated_bytes, node.lv_bytes)
    wanted = tuple(round(size) if isinstance(size, (int, float)) else None for size in want[3:7])
    assert (node.vdi, node.hidden, node.format, *sizes, node.active) == (*want[:3], *wanted, want[7])


@pytest.mark.parametrize(
    "text", ["", "1111111(1.000G?)", "11111111", "11111111(1.000T?)", "11111111(1G/1G/1G/1G)", "x" * 50]
)
def test_no_image(text: str) -> None:
    assert images.image(text) is None


def trees(*messages: str) -> list[TreeSeen]:
    lines = [
        f"Nov 22 08:00:00 h SMGC: [2018] {message}".encode()
        for message in ("=== SR 0a1b0000-0000-0000-0000-000000000000: gc ===", *messages)
    ]
    reader = HostReader("", UTC)
    read_at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    facts = reader.feed(Line("SMlog", 0, n, data, read_at) for n, data in enumerate(lines))
    return [fact for fact in [*facts, *reader.finish()] if isinstance(fact, TreeSeen)]


def test_full_dump() -> None:
    (tree,) = trees(
        "SR 0a1b ('My SR') (3 VDIs in 2 COW trees): ",
        "        *11111111(20.000G/8.100G/8.000G)[vhd]",
        "            22222222(20.000G/1.500M/0)[vhd]",
        "        33333333(???)[aio]",
        "",
    )
    assert (tree.complete, tree.vdi_count, tree.tree_count, tree.sr_name) == (True, 3, 2, "My SR")
    assert [(n.vdi, n.parent, n.depth) for n in tree.nodes] == [
        ("11111111", None, 0),
        ("22222222", "11111111", 1),
        ("33333333", None, 0),
    ]


def test_partial_dump_names_roots_that_are_gone() -> None:
    (tree,) = trees(
        "SR 0a1b ('My SR') (1 VDIs in 1 VHD trees): showing only VHD trees that changed:",
        "Tree 11111111-aaaa-bbbb-cccc-000000000001 gone",
        "",
    )
    assert (tree.complete, tree.nodes, tree.gone) == (False, (), ("11111111-aaaa-bbbb-cccc-000000000001",))


@pytest.mark.parametrize(
    "name",
    [
        'it\'s "quoted" (9 VDIs in 3 VHD trees): no changes',
        "second\nline SMGC: [1] Found 9 orphaned vdis",
        "x\nCoalescing *aaaaaaaa(1.000G/1.000M?) -> *bbbbbbbb(1.000G/1.000M?)\ny",
        "x') (4 VDIs in 2 VHD trees): \nCoalescing *aaaaaaaa(1.000G/1.000M?) -> *bbbbbbbb(1.000G/1.000M?)\ny",
        "x\n=== SR 0a1b0000-0000-0000-0000-000000000000: gc ===\nNo work, exiting\n",
    ],
)
def test_hostile_names_create_no_facts(name: str) -> None:
    head = f"SR 0a1b ('{name}') (1 VDIs in 1 VHD trees): "
    messages = [*head.split("\n"), "        11111111(20.000G/8.100G?)", ""]
    lines = [f"Nov 22 08:00:00 h SMGC: [2018] {message}".encode() for message in messages]
    start = b"Nov 22 08:00:00 h SMGC: [2018] === SR 0a1b0000-0000-0000-0000-000000000000: gc ==="
    reader = HostReader("", UTC)
    facts = reader.feed(Line("SMlog", 0, n, data) for n, data in enumerate([start, *lines]))
    assert [type(fact).__name__ for fact in facts] == ["GcStarted", "ScanSucceeded", "TreeSeen"]
    assert [run.merges for run in reader.runs] == [[]]
    assert reader.runs[0].sr_name == name
