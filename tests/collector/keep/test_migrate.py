"""The migrations make the tables that the code knows, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from chainwatch_collector.keep import projection_tables
from chainwatch_collector.keep.engine import open_engine
from chainwatch_collector.keep.migrate import SchemaTooNewError, current, head, migrate
from chainwatch_collector.keep.tables import METADATA
from lab.databases import Database
from sqlalchemy import text

assert projection_tables.FOLDS.metadata is METADATA


def test_migrations_make_what_the_tables_say(database: Database) -> None:
    engine = open_engine(database.parsed)
    assert current(engine) is None
    assert migrate(engine) == (None, head())
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    assert migrate(engine) == (head(), head())
    engine.dispose()


def test_a_newer_schema_is_refused_in_one_line(database: Database) -> None:
    engine = open_engine(database.parsed)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNewError, match=r"schema 9999, .* upgrade chainwatch"):
        migrate(engine)
    engine.dispose()
