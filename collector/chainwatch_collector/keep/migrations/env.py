"""Run by alembic: migrations inside the connection and transaction that `migrate` opened."""

from alembic import context

from chainwatch_collector.keep import projection_tables, trust_tables
from chainwatch_collector.keep.tables import METADATA

assert projection_tables.FOLDS.metadata is trust_tables.ACCOUNTS.metadata is METADATA  # all modules' tables are in it
context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
