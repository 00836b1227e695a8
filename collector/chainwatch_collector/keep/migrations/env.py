"""Run by alembic: migrations inside the connection and transaction that `migrate` opened."""

from alembic import context

from chainwatch_collector.keep import notice_tables, projection_tables, trust_tables
from chainwatch_collector.keep.tables import METADATA

_OURS = (projection_tables.FOLDS, trust_tables.ACCOUNTS, notice_tables.NOTIFIED)
assert all(table.metadata is METADATA for table in _OURS)  # all modules' tables are in it
context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
