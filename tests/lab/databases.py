"""Fresh databases for tests, SQLite and PostgreSQL: `import`ed by the conftests that need them."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chainwatch_collector.keep.engine import open_bare, parse_url
from sqlalchemy import URL, text

from lab import postgres

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """An empty database. `url` as a configuration file would have it."""

    url: str

    @property
    def parsed(self) -> URL:
        """For `open_engine`."""
        return parse_url(self.url)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """One server per test session; skips where none is installed, fails with CI=true."""
    try:
        postgres.binaries()
    except postgres.NoPostgresError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    with postgres.server() as url:
        yield url


def new_postgres(server_url: str) -> Iterator[Database]:
    """A database of its own on a running server, dropped afterwards."""
    name = f"cw{os.getpid()}_{next(_NUMBERS)}"
    engine = open_bare(parse_url(server_url)).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield Database(server_url.replace("/postgres?", f"/{name}?"))
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path / 'chainwatch.db'}")
    else:
        yield from new_postgres(request.getfixturevalue("postgres_url"))
