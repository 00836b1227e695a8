"""Lines of an ident against the plain meaning of the selection's rule (proto/README.md section 8), a line at a time."""

from typing import List, Tuple

from chainwatch_agent.ident_lines import IdentLines
from hypothesis import given, settings
from hypothesis import strategies as st

NOISE = (b"] Num combined", b"] Got sm-config")
ANYWHERE = (b"boring",)


def counts(line: bytes, anywhere: Tuple[bytes, ...]) -> bool:
    at = max(0, min([n for n in (line.find(b" SMGC:"), line.find(b" SMGC[")) if n >= 0], default=-1) + 1) - 1
    if at < 0 or b": " in line[:at]:
        return False
    head = line.find(b"] ", at)
    return not (head >= 0 and line[head:].startswith(NOISE)) and not any(word in line[at:] for word in anywhere)


def plainly(block: bytes, anywhere: Tuple[bytes, ...]) -> List[bytes]:
    return [line for line in block.splitlines(True) if counts(line, anywhere)]


def found(block: bytes, anywhere: Tuple[bytes, ...]) -> List[bytes]:
    runs = IdentLines(b"SMGC", NOISE + anywhere).runs(block, len(block))
    assert runs == sorted(runs)
    assert all(end < start for (_, end), (start, _) in zip(runs, runs[1:])), "runs that touch are one"
    return [line for start, end in runs for line in block[start:end].splitlines(True)]


PIECES = st.sampled_from(
    [
        b"\n",
        b"\n",
        b"Nov 25 16:00:00 xcp-1",
        b" SMGC",
        b" SMGCX",
        b" SM",
        b": ",
        b"[7]",
        b"[7] ",
        b"[MainThread] ",
        b"[a b",
        b"Num combined blocks",
        b"Got sm-config",
        b"message repeated 2 times: [ ",
        b"boring",
        b"Coalescing x",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=40), st.booleans())
def test_the_rule(pieces: List[bytes], others: bool) -> None:
    block, anywhere = b"".join(pieces), ANYWHERE if others else ()
    assert found(block, anywhere) == plainly(block, anywhere)


LINES = [
    b"Nov 25 16:00:00 h SMGC: [7] Coalescing x\n",
    b"Nov 25 16:00:00 h SMGC: [7][MainThread] Num combined blocks = 3\n",
    b"Nov 25 16:00:00 h SMGC: [7][Thread-1 (work)] done\n",
    b"Nov 25 16:00:00 h SMGC: message repeated 2 times: [ [7] Num combined blocks = 3]\n",
    b"Nov 25 16:00:00 h SMGC: message repeated 2 times: [ [7] Coalescing x]\n",
    b"Nov 25 16:00:00 h SMGC[7]: Coalescing x\n",
    b"Nov 25 16:00:00 h SM: [8] said SMGC: [7] x\n",
    b"2026-11-25T16:00:00.1+00:00 h SMGC: [7] Coalescing x\n",
    b"Nov 25 16:00:00 h SMGC: no pid\n",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=30))
def test_real_forms(lines: List[bytes]) -> None:
    block = b"".join(lines)
    assert found(block, ()) == plainly(block, ())
