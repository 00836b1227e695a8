"""`takeover_s`: two collectors on one PostgreSQL, the pool's owner killed with -9; until a run that crashed after that
is a finding of the other one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab import postgres
from lab.databases import new_postgres
from lab.pki import Pki
from lab.two_collectors import TwoCollectors, until

from bench.figures import Figure, figure

KILLS = 3
GOAL_SECONDS = 20.0


def takeovers(kills: int = KILLS) -> list[float]:
    """Seconds of each; who was killed is started again."""
    with tempfile.TemporaryDirectory(prefix="chainwatch-bench-") as folder, postgres.server() as url:
        directory, taken = Path(folder), []
        for database in new_postgres(url):
            with TwoCollectors(directory, Pki(directory / "pki"), database.url) as pair:
                until(lambda: all(pair.crashed(log.srs[0]) for log in pair.logs))
                for _ in range(kills):
                    owner = pair.owner()
                    taken.append(pair.takeover_seconds())
                    if owner is not None:
                        owner.start()
        return taken


def figures() -> list[Figure]:
    """For `make bench`."""
    worst = max(takeovers())
    goal = f"< {GOAL_SECONDS:g}"
    return [figure("takeover_s", worst, "s", goal, worst < GOAL_SECONDS, f"the longest of {KILLS}; the lease is 15 s")]
