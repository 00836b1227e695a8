"""The schema's version: where it stands, and bringing it up to what this program knows."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

# Any number that no other program is likely to lock: two collectors that start at once migrate one after the other.
_LOCK = 0x63687761


class SchemaTooNewError(Exception):
    """The database was migrated by a newer chainwatch; this one must not write to it."""


def alembic_config() -> Config:
    """Where the migrations are; no ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def head() -> str:
    """The newest revision this program knows."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None
    return revision


def current(engine: Engine) -> str | None:
    """The database's revision, None where it is empty."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: Engine) -> tuple[str | None, str]:
    """Bring the schema up to date: (revision before, revision now). Raises `SchemaTooNewError`."""
    config = alembic_config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        before = MigrationContext.configure(connection).get_current_revision()
        if before is not None and before not in known:
            raise SchemaTooNewError(
                f"the database has schema {before}, this chainwatch knows up to {head()}: upgrade chainwatch"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, head()
