"""Selection: what is chosen, that blocks do not matter, and that what is chosen are whole lines."""

from typing import List, Tuple

import pytest
from chainwatch_agent.policy import FLOOR, SMLOG, LogPolicy, part_for
from chainwatch_agent.select import Selector
from hypothesis import given, settings
from hypothesis import strategies as st

HEAD = b"Nov 25 16:00:00 xcp-1 "
GC = HEAD + b"SMGC: [7] Coalescing *aaaaaaa1(1.000G/1.000G?) -> *bbbbbbb2(1.000G/1.000G?)\n"
LOCK = HEAD + b"SM: [8] lock: released /var/lock/sm/x/sr\n"


def chosen(data: bytes, *parts: LogPolicy) -> List[bytes]:
    selector = Selector(*(parts or (part_for(FLOOR, SMLOG),)))
    return [line for _, part in selector.select(data, 0) for line in part.splitlines(True)]


def test_everything_of_an_ident_but_noise() -> None:
    noise = HEAD + b"SMGC: [7] Num combined blocks = 600\n"
    threaded = HEAD + b"SMGC: [7][MainThread] Num combined blocks = 600\n"
    assert chosen(LOCK + GC + noise + threaded + GC + LOCK) == [GC, GC]


def test_noise_takes_nothing_from_a_literal() -> None:
    line = HEAD + b"SMGC: [7] Num combined blocks = 600\n"
    assert chosen(line, LogPolicy(SMLOG, (b"SMGC",), (), (b"Num combined",))) == []
    assert chosen(line, LogPolicy(SMLOG, (b"SMGC",), (b"combined",), (b"Num combined",))) == [line]
    assert chosen(line, LogPolicy(SMLOG, (b"SMGC",), (), (b"Num combined",)), LogPolicy(SMLOG, (b"SMGC",))) == [line]


def test_one_literal_of_a_collector_may_leave_bytes_open() -> None:
    running = HEAD + b"SM: [8] lock: acquired /var/lock/sm/0a1b/running\n"
    part = LogPolicy(SMLOG, (), (b"] lock: acquired /var/lock/sm/\0\0\0\0/running",))
    assert chosen(LOCK + running + LOCK, part) == [running]


def test_an_ident_that_is_only_quoted_does_not_count() -> None:
    quoting = HEAD + b"SM: [8] somebody said SMGC: [7] hello\n"
    longer = HEAD + b"SMGCX: [7] hello\n"
    repeated = HEAD + b"SMGC: message repeated 3 times: [ [7] hello]\n"
    other_host = b"Nov 25 16:00:00 a-longer-host-name SMGC: [7] hello\n"
    assert chosen(quoting + longer + repeated + other_host + GC) == [repeated, other_host, GC]


def test_a_failed_command_is_selected_to_its_end_among_lines_of_others() -> None:
    first = HEAD + b"SM: [9] FAILED in util.pread: (rc 22) stdout: 'block 3 clobbers block 4\n"
    second = HEAD + b"SM: [9] /var/run/sr-mount/x.vhd appears invalid\n"
    last = HEAD + b"SM: [9] ', stderr: ''\n"
    after = HEAD + b"SM: [9] nothing of interest\n"
    assert chosen(first + LOCK + second + LOCK + last + after) == [first, second, last]


def test_a_traceback_is_selected_to_its_empty_line() -> None:
    lines = [
        HEAD + b"SM: [9] ***** sr_scan: EXCEPTION <class 'util.SMException'>, oops\n",
        HEAD + b'SM: [9]   File "/opt/xensource/sm/SRCommand.py", line 1, in run\n',
        HEAD + b"SM: [9] \n",
    ]
    assert chosen(lines[0] + LOCK + lines[1] + lines[2] + HEAD + b"SM: [9] more\n") == lines


def test_the_end_of_a_command_that_counts_is_selected_and_of_others_not() -> None:
    check = HEAD + b"SM: [9] ['/usr/bin/vhd-util', 'check', '--debug', '-n', '/x.vhd']\n"
    query = HEAD + b"SM: [9] ['/usr/bin/vhd-util', 'query', '--debug', '-n', '/x.vhd']\n"
    done = HEAD + b"SM: [9]   pread SUCCESS\n"
    assert chosen(check + LOCK + done + query + done) == [check, done]


@pytest.mark.parametrize("broken", [b"SM: [9", b"SM: []", b"SM: [9x] ", b"SM: [", b": [9]"])
def test_a_message_whose_pid_is_broken_is_its_first_line(broken: bytes) -> None:
    """A line that ends within its pid once had the selector look for nothing, for ever."""
    first = HEAD + b"SM x] FAILED in util.pread: " + broken + b"\n"
    assert chosen(first + LOCK + HEAD + b"SM: [9] b\n") == [first]
    first = HEAD + b"SM x: EXCEPTION <class 'E'>, " + broken + b"\n"
    assert chosen(LOCK + first + HEAD + b"SM: [9] \n") in ([first], [])


def test_of_thousands_of_lines_of_output_the_first_and_the_last() -> None:
    first = HEAD + b"SM: [9] FAILED in util.pread: (rc 2) stdout: '\n"
    body = b"".join(HEAD + b"SM: [9] ERROR cluster %d\n" % n for n in range(7000))
    last = HEAD + b"SM: [9] ', stderr: ''\n"
    selector = Selector(part_for(FLOOR, SMLOG))
    data, kept, at = first + body + last, [], 0
    while at < len(data):
        end = data.rfind(b"\n", at, at + 65536) + 1
        kept += [line for _, part in selector.select(data[at:end], at) for line in part.splitlines()]
        at = end
    plain = [line for line in kept if b"] ERROR cluster" in line]
    assert 50 < len(kept) < 70 or len(plain) == 7000
    assert kept[-1] + b"\n" == last


LINES = st.sampled_from(
    [
        GC,
        LOCK,
        b"\n",
        b"no syslog line\n",
        b"\0\0\0" + GC,
        HEAD + b"SM: [9] FAILED in util.pread: (rc 1) stdout: 'a\n",
        HEAD + b"SM: [9] b\n",
        HEAD + b"SM: [9] ', stderr: ''\n",
        HEAD + b"SM: [9] ***** x: EXCEPTION <class 'E'>, m\n",
        HEAD + b"SM: [9] \n",
        HEAD + b"SM: [9] ['/usr/bin/vhd-util', 'coalesce', '-n', 'x']\n",
        HEAD + b"SM: [9]   pread SUCCESS\n",
        HEAD + b"SMGC: [7] \xff\xfe\n",
        HEAD + b"SMGC: [7] Got sm-config for x\n",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=12), st.lists(LINES, max_size=6), st.binary(max_size=30))
def test_what_lies_behind_the_size_does_not_count(lines: List[bytes], more: List[bytes], rest: bytes) -> None:
    whole = b"".join(lines)
    behind = b"".join(more) + rest
    selector, alone = Selector(part_for(FLOOR, SMLOG)), Selector(part_for(FLOOR, SMLOG))
    for _ in range(2):
        assert selector.runs(whole + behind, len(whole)) == alone.runs(whole, len(whole))


def in_blocks(lines: List[bytes], sizes: List[int]) -> List[Tuple[int, bytes]]:
    selector, at, found, left = Selector(part_for(FLOOR, SMLOG)), 0, [], list(lines)
    for size in sizes + [len(lines)]:
        block = b"".join(left[:size])
        left = left[size:]
        if block:
            found += selector.select(block, at)
        at += len(block)
    return [(offset + n, line) for offset, part in found for n, line in _lines(part)]


def _lines(part: bytes) -> List[Tuple[int, bytes]]:
    at, out = 0, []
    for line in part.splitlines(True) if b"\r" not in part else [part]:
        out.append((at, line))
        at += len(line)
    return out


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=30), st.lists(st.integers(1, 5), max_size=10))
def test_the_cut_into_blocks_changes_nothing(lines: List[bytes], sizes: List[int]) -> None:
    whole = b"".join(lines)
    found = in_blocks(lines, sizes)
    assert found == in_blocks(lines, [])
    for offset, line in found:
        assert whole[offset : offset + len(line)] == line
        assert offset == 0 or whole[offset - 1 : offset] == b"\n"
    assert found == sorted(set(found))


BEGINS = [b"SM: [9]", b"SM: [9", b"SM", b"x]"]
TEXTS = [
    b" FAILED in util.pread: ",
    b" ***** x: EXCEPTION ",
    b" ['/usr/bin/vhd-util', 'coalesce', ",
    b"   pread SUCCESS",
    b" ",
]
ENDS = [b"", b"', stderr: '", b"'", b"x: [9]", b"x: [9", b"x: [", b"]"]
DAMAGED = st.tuples(*map(st.sampled_from, (BEGINS, TEXTS, ENDS))).map(lambda parts: HEAD + b"".join(parts) + b"\n")


@settings(max_examples=300, deadline=None)
@given(st.lists(DAMAGED | LINES, max_size=20))
def test_damaged_lines_end_and_are_whole(lines: List[bytes]) -> None:
    whole = b"".join(lines)
    selector = Selector(part_for(FLOOR, SMLOG))
    starts = {0}
    for line in lines:
        starts.add(max(starts) + len(line))
    for offset, part in selector.select(whole, 0):
        assert {offset, offset + len(part)} <= starts


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.binary(min_size=4, max_size=6))
def test_any_bytes(data: bytes, literal: bytes) -> None:
    selector = Selector(part_for(FLOOR, SMLOG), LogPolicy(SMLOG, (b"x",), (literal.replace(b"\n", b"_"),)))
    behind = 0
    for offset, part in selector.select(data, 0):
        assert offset >= behind
        assert data[offset : offset + len(part)] == part
        behind = offset + len(part)
