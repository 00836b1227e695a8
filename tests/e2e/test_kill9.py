"""A real agent and a real collector, killed with -9 at random points while 20 MB are written and rotated twice."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.chaos import Chaos
from lab.databases import new_postgres
from lab.pki import Pki

SEEDS = range(int(os.environ.get("SEED", 0)), int(os.environ.get("SEED", 0)) + int(os.environ.get("SEEDS", 30)))


@pytest.fixture
def database_url(seed: int, request: pytest.FixtureRequest) -> Iterator[str]:
    """Every other seed on PostgreSQL."""
    if seed % 2 == 0:
        yield ""
        return
    for database in new_postgres(request.getfixturevalue("postgres_url")):
        yield database.url


@pytest.mark.postgres
@pytest.mark.parametrize("seed", SEEDS)
def test_every_selected_line_is_stored_once_and_in_order(
    seed: int, database_url: str, tmp_path: Path, pki: Pki
) -> None:
    chaos = Chaos(seed, tmp_path, pki, database_url)
    try:
        stored = chaos.run()
        assert stored.lines == chaos.expected()
        assert stored.gaps == 0
        for spans in stored.covered:
            assert spans[0][0] == 0
            assert all(end == start for (_, end), (start, _) in itertools.pairwise(spans))
    finally:
        chaos.stop()
