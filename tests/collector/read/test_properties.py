"""Whatever the spans, the interleaving, the cuts or the damage: the same facts, or a declared unknown."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC
from itertools import pairwise

from chainwatch_collector.read.facts import Fact, Line, MergeStarted
from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.read.runs import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from smlog import OTHER_SR, SR, A, B, C, Smlog, disk, read


def story(sr: str, pid: int) -> Smlog:
    """A run with a good merge, a failed one and a leaf that gives up, all of one SR."""
    log = Smlog().start(pid, sr).chain(pid, sr)
    log.inner_start(pid).copy(pid + 1, B, sr).copied(pid, pid + 1, sr).updated(pid, sr)
    log.inner_start(pid, C, A).copy(pid + 2, C, sr).failed_command(pid + 2, 28, "error coalescing: -28")
    log.banner(pid + 2, "This exception has occured", "No space left on device")
    log.banner(pid, "coalesce", "Child process exited with error").gc(pid, "Coalesce failed, skipping")
    log.updated(pid, sr).gc(pid, f"Leaf-coalescing {disk(C, hidden=False)} -> {disk(A)}")
    log.banner(pid, "leaf-coalesce", f"VDI {C} could not be coalesced")
    log.gc(pid, f"Leaf-coalesce failed on {disk(C, hidden=False)}, skipping")
    return log.updated(pid, sr).finish(pid, sr=sr)


JUNK = (b"\n", b"\0", b"\xff\xfe", b"[]()", b"SMGC: [1] ", b"'" * 9, b"9" * 40, b" " * 50, b"%s{0}", b"\\")
LINES = story(SR, 100).as_lines()
WHOLE = read(story(SR, 100))


def outcome(run: Run) -> tuple[object, ...]:
    return (run.sr, run.outcome, *((m.kind, m.child, m.parent, m.outcome, m.cause) for m in run.merges))


def fed(spans: list[list[Line]]) -> tuple[HostReader, list[Fact]]:
    reader = HostReader("", UTC)
    facts = [fact for span in spans for fact in reader.feed(span)]
    return reader, [*facts, *reader.finish()]


@given(st.lists(st.integers(0, len(LINES)), max_size=12))
def test_any_split_into_spans_gives_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(LINES)]
    reader, facts = fed([LINES[a:b] for a, b in pairwise(edges)])
    assert facts == WHOLE[1]
    assert list(map(outcome, reader.runs)) == list(map(outcome, WHOLE[0].runs))


@given(st.lists(st.booleans(), min_size=20, max_size=300))
def test_any_interleaving_of_two_srs_gives_the_same(turns: list[bool]) -> None:
    first, second = story(SR, 100).lines[:], story(OTHER_SR, 500).lines[:]
    mixed = Smlog()
    for turn in turns:
        source = first if turn and first else second or first
        if source:
            mixed.lines.append(source.pop(0))
    mixed.lines.extend([*first, *second])
    reader, facts = read(mixed)
    alone = [read(story(SR, 100)), read(story(OTHER_SR, 500))]
    assert {run.sr: outcome(run) for run in reader.runs} == {r.runs[0].sr: outcome(r.runs[0]) for r, _ in alone}
    assert Counter(type(f).__name__ for f in facts) == Counter(type(f).__name__ for _, fs in alone for f in fs)


def cut(line: Line, at: int) -> Line:
    return line._replace(data=line.data[:at])


@given(st.integers(0, len(LINES) - 1), st.integers(0, 200))
def test_a_cut_line_invents_nothing(index: int, at: int) -> None:
    lines = [*LINES]
    lines[index] = cut(lines[index], min(at, len(lines[index].data)))
    reader, facts = fed([lines])
    wanted = {(m.kind, m.child[:8], m.parent[:8]) for run in WHOLE[0].runs for m in run.merges}
    assert {(f.kind, f.child[:8], f.parent[:8]) for f in facts if isinstance(f, MergeStarted)} <= wanted
    done = {m.child[:8] for run in reader.runs for m in run.merges if m.outcome == "done"}
    assert done <= {B[:8]}
    assert reader.lines_understood + reader.lines_unknown == len(lines)


@settings(max_examples=300)
@given(st.data())
def test_damaged_lines_never_crash_nor_invent_a_merge(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(LINES) - 1))
    raw = bytearray(LINES[index].data)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    lines = [*LINES]
    lines[index] = lines[index]._replace(data=bytes(raw))
    reader, facts = fed([lines])
    started = [fact for fact in facts if isinstance(fact, MergeStarted)]
    assert len(started) <= 3
    assert sum(m.outcome == "done" for run in reader.runs for m in run.merges) <= 1


@given(st.lists(st.integers(0, len(LINES) - 1), min_size=1, max_size=10, unique=True))
def test_lost_lines_never_make_a_merge_done_that_was_not(lost: list[int]) -> None:
    reader, _ = fed([[line for index, line in enumerate(LINES) if index not in lost]])
    for run in reader.runs:
        assert all(merge.child[:8] == B[:8] for merge in run.merges if merge.outcome == "done")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_line_at_most_unknown(data: bytes) -> None:
    reader = HostReader("", UTC)
    reader.feed([Line("SMlog", 0, 0, data, None, None)])
    assert reader.lines_understood + reader.lines_unknown == 1
    assert reader.runs == []


def test_a_hundred_thousand_mutated_lines() -> None:
    chance = random.Random(20261122)
    pool = [line.data for line in [*LINES, *story(OTHER_SR, 900).as_lines()]]
    reader, count = HostReader("", UTC), 100_000
    for number in range(0, count, 1000):
        reader.feed([Line("SMlog", 0, number + n, mutate(chance.choice(pool), chance)) for n in range(1000)])
    assert reader.lines_understood + reader.lines_unknown == count
    children = {m.child[:8] for run in reader.runs for m in run.merges}
    assert len(children) <= 0.02 * count


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One line with bytes changed, cut, doubled or swapped with their neighbours."""
    raw = bytearray(data)
    kind = chance.randrange(5)
    at = chance.randrange(len(raw))
    if kind == 0:
        raw[at] = chance.randrange(256)
    elif kind == 1:
        del raw[at:]
    elif kind == 2:
        del raw[at : at + chance.randrange(1, 12)]
    elif kind == 3:
        raw[at:at] = raw[at : at + chance.randrange(1, 40)]
    else:
        raw[at:at] = chance.choice(JUNK)
    return bytes(raw)
