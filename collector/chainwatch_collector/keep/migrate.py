"""The schema's version: where it stands, and bringing it up to what this program knows.

A migration's file is named by its revision, so that a database that is up to date needs no alembic: importing it takes
as long as SQLAlchemy and a start has it to do only once per release.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

# Any number that no other program is likely to lock: two collectors that start at once migrate one after the other.
_LOCK = 0x63687761
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class SchemaTooNewError(Exception):
    """The database was migrated by a newer chainwatch; this one must not write to it."""


def alembic_config() -> "Config":
    """Where the migrations are; no ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def revisions() -> list[str]:
    """All that this program knows, oldest first."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def head() -> str:
    """The newest revision this program knows."""
    return revisions()[-1]


def current(engine: Engine) -> str | None:
    """The database's revision, None where it is empty."""
    with engine.connect() as connection:
        return _revision_of(connection)


def migrate(engine: Engine) -> tuple[str | None, str]:
    """Bring the schema up to date: (revision before, revision now). Raises `SchemaTooNewError`."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        before = _revision_of(connection)
        if before is not None and before not in revisions():
            raise SchemaTooNewError(
                f"the database has schema {before}, this chainwatch knows up to {head()}: upgrade chainwatch"
            )
        if before != head():
            _upgrade(connection)
    return before, head()


def _upgrade(connection: Connection) -> None:
    from alembic import command

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision_of(connection: Connection) -> str | None:
    """What alembic wrote down."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if revision is None else str(revision)
