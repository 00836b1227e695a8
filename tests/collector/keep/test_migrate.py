"""The migrations make the tables that the code knows, on both databases."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from chainwatch_collector.keep import projection_tables
from chainwatch_collector.keep.engine import open_engine
from chainwatch_collector.keep.migrate import SchemaTooNewError, alembic_config, current, head, migrate, revisions
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


def test_migrations_are_named_by_their_revisions() -> None:
    script = ScriptDirectory.from_config(alembic_config())
    assert revisions() == [one.revision for one in script.walk_revisions()][::-1]
    assert head() == script.get_current_head()


def test_a_start_imports_neither_alembic_nor_another_databases_driver() -> None:
    code = "import sys, chainwatch_collector.serve.main; print(*sorted({'alembic', 'psycopg'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_newer_schema_is_refused_in_one_line(database: Database) -> None:
    engine = open_engine(database.parsed)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNewError, match=r"schema 9999, .* upgrade chainwatch"):
        migrate(engine)
    engine.dispose()
