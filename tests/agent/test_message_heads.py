"""The sieve against the plain meaning: a line is found where it holds one of the literals."""

import re
from typing import List, Tuple

from chainwatch_agent.message_heads import ANY, MessageHeads, is_open
from chainwatch_agent.policy import FLOOR, SMLOG, part_for
from hypothesis import given, settings
from hypothesis import strategies as st

HEADS = tuple(literal for literal in part_for(FLOOR, SMLOG).literals if literal.startswith(b"] "))
# Whole literals, their halves, and what stands around them: near misses are the rule.
PIECES = [part for head in HEADS for part in (head, head[: len(head) // 2 + 2], head[1:])]
PIECES += [b"x" * 36 + b"/gc_active", b"x" * 36 + b"/sr", b"x" * 35 + b"\n/gc_active"]
PIECES += [b"\n", b"\n", b"\n", b" SM: [7", b"] ['/usr/bin/vhd-util', 'query'", b"c", b"x" * 23, b"\0"]


def holds(line: bytes, literal: bytes) -> bool:
    if not is_open(literal):
        return literal in line
    return re.search(b".".join(map(re.escape, literal.split(ANY))), line, re.DOTALL) is not None


def plainly(block: bytes, literals: Tuple[bytes, ...]) -> List[Tuple[int, int]]:
    found, at = [], 0
    for line in block.split(b"\n"):
        end = min(at + len(line) + 1, len(block))
        if any(holds(line, literal) for literal in literals):
            found.append((at, end))
        at = end
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_the_floors_literals(pieces: List[bytes]) -> None:
    block = b"".join(pieces)
    assert MessageHeads(HEADS).lines(block, len(block)) == plainly(block, HEADS)


WORDS = st.lists(st.sampled_from([b"[", b"'", b"['", b"a", b"b", b".", b"] ", ANY]), min_size=1, max_size=5).map(
    b"".join
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=5), st.lists(WORDS | st.sampled_from([b"] ", b"\n"]), max_size=30))
def test_any_literals(words: List[bytes], pieces: List[bytes]) -> None:
    literals = tuple(b"] " + word for word in words)
    block = b"".join(pieces)
    assert MessageHeads(literals).lines(block, len(block)) == plainly(block, literals)


def test_the_lock_of_a_run_and_not_that_of_an_sr() -> None:
    sr = b"0a1b2c3d-51a0-4b7e-9c3d-000000001000"
    line = b"Nov 25 16:00:00 h SM: [7] lock: tried lock /var/lock/sm/%s/%s, acquired: True (exists: True)\n"
    block = line % (sr, b"sr") + line % (sr, b"gc_active")
    assert MessageHeads(HEADS).lines(block, len(block)) == [(len(line % (sr, b"sr")), len(block))]
