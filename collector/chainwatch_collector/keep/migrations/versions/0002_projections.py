"""Projections keyed by pool, and primary data."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("pool_uuid", sa.String(length=36), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_at_us"), "audit", ["at_us"], unique=False)
    op.create_table(
        "events",
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("host_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("kind_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sr_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("vdi_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("file_id", "offset", name=op.f("pk_events")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_events_host_id_at_us_file_id_offset"),
        "events",
        ["host_id", "at_us", "file_id", "offset"],
        unique=False,
    )
    op.create_index(
        op.f("ix_events_kind_id_at_us_file_id_offset"),
        "events",
        ["kind_id", "at_us", "file_id", "offset"],
        unique=False,
    )
    op.create_index(
        op.f("ix_events_sr_id_at_us_file_id_offset"),
        "events",
        ["sr_id", "at_us", "file_id", "offset"],
        unique=False,
        sqlite_where=sa.text("sr_id IS NOT NULL"),
        postgresql_where=sa.text("sr_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_events_vdi_id_at_us_file_id_offset"),
        "events",
        ["vdi_id", "at_us", "file_id", "offset"],
        unique=False,
        sqlite_where=sa.text("vdi_id IS NOT NULL"),
        postgresql_where=sa.text("vdi_id IS NOT NULL"),
    )
    op.create_table(
        "findings",
        sa.Column("pool_uuid", sa.String(length=36), nullable=False),
        sa.Column("finding_id", sa.String(length=128), nullable=False),
        sa.Column("first_seen_us", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_us", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at_us", sa.BigInteger(), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("subject_uuid", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("pool_uuid", "finding_id", "first_seen_us", name=op.f("pk_findings")),
    )
    op.create_index(op.f("ix_findings_subject_uuid"), "findings", ["subject_uuid"], unique=False)
    op.create_table(
        "history",
        sa.Column("pool_uuid", sa.String(length=36), nullable=False),
        sa.Column("subject_uuid", sa.String(length=36), nullable=False),
        sa.Column("resolution_seconds", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("subject_uuid", "resolution_seconds", "at_us", "name", name=op.f("pk_history")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_history_resolution_seconds_at_us"), "history", ["resolution_seconds", "at_us"], unique=False
    )
    op.create_table(
        "inventories",
        sa.Column("pool_uuid", sa.String(length=36), nullable=False),
        sa.Column("taken_at_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pool_uuid", name=op.f("pk_inventories")),
    )
    op.create_table(
        "mutes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("pool_uuid", sa.String(length=36), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("subject_uuid", sa.String(length=64), nullable=True),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mutes")),
    )
    op.create_table(
        "pool_owners",
        sa.Column("pool_uuid", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pool_uuid", name=op.f("pk_pool_owners")),
    )
    op.create_table(
        "pool_states",
        sa.Column("pool_uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("updated_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pool_uuid", "version", name=op.f("pk_pool_states")),
    )
    op.create_table(
        "pools",
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("updated_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name=op.f("pk_pools")),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("deadline_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index(op.f("ix_requests_kind_state_target"), "requests", ["kind", "state", "target"], unique=False)
    op.create_table(
        "rescans",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("pool_uuid", sa.String(length=36), nullable=False),
        sa.Column("sr_uuid", sa.String(length=36), nullable=False),
        sa.Column("asked_at_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rescans")),
    )
    op.create_index(op.f("ix_rescans_sr_uuid_asked_at_us"), "rescans", ["sr_uuid", "asked_at_us"], unique=False)
    op.create_table(
        "transitions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("pool_uuid", sa.String(length=36), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("finding_id", sa.String(length=128), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("subject_uuid", sa.String(length=64), nullable=False),
        sa.Column("change", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transitions")),
    )
    op.create_index(op.f("ix_transitions_pool_uuid_at_us"), "transitions", ["pool_uuid", "at_us"], unique=False)
    op.create_index(op.f("ix_transitions_subject_uuid_at_us"), "transitions", ["subject_uuid", "at_us"], unique=False)
    op.create_table(
        "words",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_words")),
        sa.UniqueConstraint("word", name=op.f("uq_words_word")),
    )
    op.create_table(
        "folds",
        sa.Column("pool_uuid", sa.String(length=36), nullable=False),
        sa.Column("host_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cursors", sa.Text(), nullable=False),
        sa.Column("reader", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name=op.f("fk_folds_host_id")),
        sa.PrimaryKeyConstraint("pool_uuid", "host_id", "version", name=op.f("pk_folds")),
    )
    op.create_table(
        "runs",
        sa.Column("host_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("pool_uuid", sa.String(length=36), nullable=False),
        sa.Column("sr_uuid", sa.String(length=36), nullable=False),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name=op.f("fk_runs_host_id")),
        sa.PrimaryKeyConstraint("host_id", "ordinal", "offset", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_pool_uuid_started_at_us"), "runs", ["pool_uuid", "started_at_us"], unique=False)
    op.create_index(op.f("ix_runs_sr_uuid_started_at_us"), "runs", ["sr_uuid", "started_at_us"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_runs_sr_uuid_started_at_us"), table_name="runs")
    op.drop_index(op.f("ix_runs_pool_uuid_started_at_us"), table_name="runs")
    op.drop_table("runs")
    op.drop_table("folds")
    op.drop_table("words")
    op.drop_index(op.f("ix_transitions_subject_uuid_at_us"), table_name="transitions")
    op.drop_index(op.f("ix_transitions_pool_uuid_at_us"), table_name="transitions")
    op.drop_table("transitions")
    op.drop_index(op.f("ix_rescans_sr_uuid_asked_at_us"), table_name="rescans")
    op.drop_table("rescans")
    op.drop_index(op.f("ix_requests_kind_state_target"), table_name="requests")
    op.drop_table("requests")
    op.drop_table("pools")
    op.drop_table("pool_states")
    op.drop_table("pool_owners")
    op.drop_table("mutes")
    op.drop_table("inventories")
    op.drop_index(op.f("ix_history_resolution_seconds_at_us"), table_name="history")
    op.drop_table("history")
    op.drop_index(op.f("ix_findings_subject_uuid"), table_name="findings")
    op.drop_table("findings")
    op.drop_index(
        op.f("ix_events_vdi_id_at_us_file_id_offset"),
        table_name="events",
        sqlite_where=sa.text("vdi_id IS NOT NULL"),
        postgresql_where=sa.text("vdi_id IS NOT NULL"),
    )
    op.drop_index(
        op.f("ix_events_sr_id_at_us_file_id_offset"),
        table_name="events",
        sqlite_where=sa.text("sr_id IS NOT NULL"),
        postgresql_where=sa.text("sr_id IS NOT NULL"),
    )
    op.drop_index(op.f("ix_events_kind_id_at_us_file_id_offset"), table_name="events")
    op.drop_index(op.f("ix_events_host_id_at_us_file_id_offset"), table_name="events")
    op.drop_table("events")
    op.drop_index(op.f("ix_audit_at_us"), table_name="audit")
    op.drop_table("audit")
