"""Every corpus exactly as its expected.json says: runs, merges, outcomes, causes, codes."""

from __future__ import annotations

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
    assert score.wrong == []


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
