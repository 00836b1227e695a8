"""Agents that broke the rules of their stream, for whichever collector judges their hosts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_faults",
        sa.Column("host_uuid", sa.String(length=36), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("slowed", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("host_uuid", name=op.f("pk_agent_faults")),
    )


def downgrade() -> None:
    op.drop_table("agent_faults")
