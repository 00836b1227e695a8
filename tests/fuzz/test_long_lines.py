"""One line of a log may not cost more than its length: what looks through it goes through it once, not once a byte.

Lines of 16 KiB in which a piece of a real line is repeated; rsyslog cuts at 8 KiB, the agent and the collector at 64.
An expression that begins anew at every byte takes seconds for one of these and minutes for the longest, all others a
few milliseconds, so that the bound on CPU time between them is no measure of the machine.
`CHAINWATCH_FUZZ_FACTOR` multiplies the lines, `SEED` is where they begin.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator

import pytest
from chainwatch_agent.scrub import scrub
from chainwatch_collector.judge import evidence
from chainwatch_collector.read.shapes import shape
from chainwatch_collector.show.redact import redact

from fuzz import samples, targets

pytestmark = pytest.mark.usefixtures("no_collections")
FACTOR = float(os.environ.get("CHAINWATCH_FUZZ_FACTOR", "1"))
SEED = int(os.environ.get("SEED", "0"))
LINES = int(120 * FACTOR)
LINE_BYTES = 16 * 1024
MOST_SECONDS = 1.0
# Pieces that the expressions of masks begin with, or look behind; each also alone in a line.
PIECES = [
    *(b"a", b"a.", b".", b"1", b"_", b" ", b"'", b'"', b"[", b"]", b": ", b"=", b"(", b"-> ", b"\\", b"\xff"),
    *(b"pass", b"passwd", b"CHAPpassword", b"secret", b"secret ", b"token: ", b"chapuser -v ", b"session_ref': '"),
    *(
        b"http://",
        b"a+b://c:",
        b"://",
        b"@",
        b"<name>password</name>",
        b"OpaqueRef:",
        b"bearer ",
        b"[opterr=",
        b"***** ",
    ),
]


def text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


LOOKS: dict[str, Callable[[bytes], object]] = {
    "scrub": scrub,
    "select": targets.select,
    "read": targets.lines,
    "redact": lambda line: redact(text(line)),
    "evidence": lambda line: evidence.scrub(text(line)),
    "shape": lambda line: shape(text(line)),
}


def long_lines() -> Iterator[bytes]:
    """The pieces alone, behind a head with a word that the guards of the masks look for; then real lines, stretched."""
    for piece in PIECES:
        yield _filled(b"Nov 22 08:00:00 xcp1 SMGC: [103] pass ", piece, b"")
    chance, lines = random.Random(SEED), samples.smlog_lines()
    for _ in range(LINES):
        line, other = chance.choice(lines), chance.choice(lines)
        begin, at = chance.randrange(len(other)), chance.randrange(len(line) + 1)
        piece = other[begin : begin + chance.choice((1, 3, 6, 10, 20, 40))] + chance.choice([b"", *PIECES])
        yield _filled(line[:at], piece, chance.choice((b"", line[at:])))


def _filled(head: bytes, piece: bytes, rest: bytes) -> bytes:
    return head + piece * (LINE_BYTES // len(piece)) + rest


@pytest.mark.parametrize("name", LOOKS)
def test_a_long_line_is_gone_through_once(name: str) -> None:
    for line in long_lines():
        began = time.process_time()
        LOOKS[name](line)
        spent = time.process_time() - began
        assert spent < MOST_SECONDS, f"SEED={SEED}: {spent:.1f} s for {line[:200]!r}"
