"""What several collectors of one database tell each other: refused dom0s, and requests that leave no trace."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "host_duplicates",
        sa.Column("host_uuid", sa.String(length=36), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("live_machine_id", sa.String(length=64), nullable=False),
        sa.Column("machine_id", sa.String(length=64), nullable=False),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("host_uuid", name=op.f("pk_host_duplicates")),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Replies are raw log lines: they must reach neither the write-ahead log nor what is made of it.
        op.execute("ALTER TABLE requests SET UNLOGGED")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE requests SET LOGGED")
    op.drop_table("host_duplicates")
