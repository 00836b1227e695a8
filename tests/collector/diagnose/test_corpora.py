"""Every corpus exactly as its expected.json says: runs, merges, outcomes, causes, codes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from chainwatch_collector.diagnose import answer, offline, sources
from corpora import CORPORA, NAMES, SCOREBOARD, compare, expected, needs_corpora

pytestmark = [pytest.mark.corpora, needs_corpora]


@pytest.mark.parametrize("name", NAMES)
def test_corpus_is_diagnosed_as_expected(name: str, pytestconfig: pytest.Config) -> None:
    want = expected(name)
    folder = CORPORA / name
    options = offline.Options(now=datetime.fromisoformat(want["now"]), timezone=sources.zone_named(want["timezone"]))
    reading = offline.read_paths([str(folder / file) for file in want["files"]], options)
    score = compare(name, want, answer.body(reading))
    pytestconfig.stash.setdefault(SCOREBOARD, []).append(score)
    assert score.good, score


def test_unknown_shapes_are_under_one_percent() -> None:
    shapes: dict[str, int] = {}
    selected = 0
    for name in NAMES:
        want = expected(name)
        options = offline.Options(now=datetime.fromisoformat(want["now"]))
        reading = offline.read_paths([str(Path(CORPORA, name, file)) for file in want["files"]], options)
        selected += reading.lines_selected
        for shape, count in reading.unknown_shapes.items():
            shapes[shape] = shapes.get(shape, 0) + count
    assert sum(shapes.values()) < 0.01 * selected, shapes


def with_thread(data: bytes) -> bytes:
    """The prefix of SM 3.2.12-17.1 and later."""
    return re.sub(rb"(?m)^(.{15} \S+ (?:SM|SMGC): \[\d+\])", rb"\1[MainThread]", data)


def stripped(data: bytes) -> bytes:
    """A transport that strips trailing blanks."""
    return re.sub(rb"(?m)[ ]+$", b"", data)


def only_gc(data: bytes) -> bytes:
    """What is left when nothing but SMGC lines and failed commands was shipped."""
    kept = (b" SMGC: [", b"FAILED in util.pread", b"IPCFlag: set")
    return b"".join(line for line in data.splitlines(keepends=True) if any(word in line for word in kept))


@pytest.mark.parametrize("change", [with_thread, stripped, only_gc])
@pytest.mark.parametrize("name", NAMES)
def test_same_runs_in_other_clothes(name: str, change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    want = expected(name)
    for file in want["files"]:
        (tmp_path / file).write_bytes(change((CORPORA / name / file).read_bytes()))
    options = offline.Options(now=datetime.fromisoformat(want["now"]), timezone=sources.zone_named(want["timezone"]))
    reading = offline.read_paths([str(tmp_path / file) for file in want["files"]], options)
    assert compare(name, want, answer.body(reading)).wrong == []
