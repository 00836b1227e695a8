"""A real agent and a real collector, killed with -9 at random points while 20 MB are written and rotated in every form.

`SEED=7 SEEDS=1` repeats one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from lab.chaos import Chaos
from lab.databases import new_postgres
from lab.pki import Pki

SEEDS = range(int(os.environ.get("SEED", 0)), int(os.environ.get("SEED", 0)) + int(os.environ.get("SEEDS", 30)))
# An experiment waits more than it works.
AT_ONCE = 2


@contextmanager
def fresh_postgres(server_url: str) -> Iterator[str]:
    for database in new_postgres(server_url):
        yield database.url


def survive(seed: int, directory: Path, pki: Pki, server_url: str) -> str:
    """One seed; every other one on PostgreSQL. What was tried, for a failure's message."""
    directory.mkdir()
    with fresh_postgres(server_url) if seed % 2 else nullcontext("") as database_url:
        chaos = Chaos(seed, directory, pki, database_url)
        forms = ", then ".join(form.value for form in chaos.log.forms)
        try:
            chaos.run()
        except AssertionError as error:
            error.add_note(f"repeat it: SEED={seed} SEEDS=1 .venv/bin/python -m pytest {__name__} (the log: {forms})")
            raise
        finally:
            chaos.stop()
    return forms


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pki: Pki, postgres_url: str
) -> Iterator[dict[int, Future[str]]]:
    """All seeds that were asked for, two at once."""
    asked = [
        item.callspec.params["seed"]
        for item in request.session.items
        if hasattr(item, "callspec") and item.path == request.path
    ]
    directory = tmp_path_factory.mktemp("kill9")
    with ThreadPoolExecutor(AT_ONCE, "kill9") as pool:
        yield {seed: pool.submit(survive, seed, directory / str(seed), pki, postgres_url) for seed in asked}
        pool.shutdown(cancel_futures=True)


@pytest.mark.postgres
@pytest.mark.parametrize("seed", SEEDS)
def test_every_byte_is_read_or_declared_and_every_line_is_stored_once(
    seed: int, outcomes: dict[int, Future[str]]
) -> None:
    assert outcomes[seed].result()
