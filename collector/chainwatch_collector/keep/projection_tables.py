"""Tables keyed by pool: what the fold made of the evidence, and what people did.

*Projections* can be dropped and made again from the evidence. *Primary* rows cannot: first_seen of a finding, mutes,
audit, rescans. A rebuild touches the former only. `body` columns hold the owner's own JSON; the columns beside are
what is searched by.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from chainwatch_collector.keep.tables import METADATA, Id, key

# --- projections ----------------------------------------------------------------------------------------------

# Who may write a pool's projections; judged by the database's clock.
POOL_OWNERS = Table(
    "pool_owners",
    METADATA,
    Column("pool_uuid", String(36), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
)

# How far a host's logs were folded (JSON: log path → cursor), and the reader as it stood there.
FOLDS = Table(
    "folds",
    METADATA,
    Column("pool_uuid", String(36), nullable=False),
    Column("host_id", Id, ForeignKey("hosts.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("cursors", Text, nullable=False),
    Column("reader", LargeBinary, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool_uuid", "host_id", "version"),
)

# The state and the newest answer of a pool. `version` is the fold's: a new one is built beside the old one.
POOL_STATES = Table(
    "pool_states",
    METADATA,
    Column("pool_uuid", String(36), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("answer", Text, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("pool_uuid", "version"),
)

# Texts that repeat in every event: fact names, SR and VDI uuids.
WORDS = Table("words", METADATA, key(), Column("word", Text, nullable=False, unique=True))

# What a line means: its time, its SR, the fact's name. The text is in `lines`.
EVENTS = Table(
    "events",
    METADATA,
    Column("file_id", Id, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("host_id", Id, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("kind_id", Id, nullable=False),
    Column("sr_id", Id, nullable=True),
    Column("vdi_id", Id, nullable=True),
    Column("uncertain", Boolean, nullable=False),
    PrimaryKeyConstraint("file_id", "offset"),
    Index(None, "host_id", "at_us", "file_id", "offset"),
    Index(
        None,
        "sr_id",
        "at_us",
        "file_id",
        "offset",
        sqlite_where=text("sr_id IS NOT NULL"),
        postgresql_where=text("sr_id IS NOT NULL"),
    ),
    Index(
        None,
        "vdi_id",
        "at_us",
        "file_id",
        "offset",
        sqlite_where=text("vdi_id IS NOT NULL"),
        postgresql_where=text("vdi_id IS NOT NULL"),
    ),
    Index(None, "kind_id", "at_us", "file_id", "offset"),
    sqlite_with_rowid=False,
)

# A GC run is its first line: (host, file ordinal, offset).
RUNS = Table(
    "runs",
    METADATA,
    Column("host_id", Id, ForeignKey("hosts.id"), nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("pool_uuid", String(36), nullable=False),
    Column("sr_uuid", String(36), nullable=False, default=""),
    Column("started_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger, nullable=True),
    Column("outcome", String(16), nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("host_id", "ordinal", "offset"),
    Index(None, "pool_uuid", "started_at_us"),
    Index(None, "sr_uuid", "started_at_us"),
)

INVENTORIES = Table(
    "inventories",
    METADATA,
    Column("pool_uuid", String(36), primary_key=True),
    Column("taken_at_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# Samples over time of an SR, a VDI, a pool. `resolution_seconds` 0: as taken; else a roll-up's width.
HISTORY = Table(
    "history",
    METADATA,
    Column("pool_uuid", String(36), nullable=False),
    Column("subject_uuid", String(36), nullable=False),
    Column("resolution_seconds", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    Column("value", Float, nullable=True),
    PrimaryKeyConstraint("subject_uuid", "resolution_seconds", "at_us", "name"),
    Index(None, "resolution_seconds", "at_us"),
    sqlite_with_rowid=False,
)

# --- primary data ---------------------------------------------------------------------------------------------

# What is configured, without its secrets: for surfaces that come up before XenAPI answers.
POOLS = Table(
    "pools",
    METADATA,
    Column("uuid", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("body", Text, nullable=False, default="{}"),
    Column("updated_at_us", BigInteger, nullable=False),
)

FINDINGS = Table(
    "findings",
    METADATA,
    Column("pool_uuid", String(36), nullable=False),
    Column("finding_id", String(128), nullable=False),
    Column("first_seen_us", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),
    Column("cleared_at_us", BigInteger, nullable=True),
    Column("code", String(64), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("subject_uuid", String(64), nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("pool_uuid", "finding_id", "first_seen_us"),
    Index(None, "subject_uuid"),
)

TRANSITIONS = Table(
    "transitions",
    METADATA,
    key(),
    Column("pool_uuid", String(36), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("finding_id", String(128), nullable=False),
    Column("code", String(64), nullable=False),
    Column("subject_uuid", String(64), nullable=False),
    Column("change", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "pool_uuid", "at_us"),
    Index(None, "subject_uuid", "at_us"),
)

MUTES = Table(
    "mutes",
    METADATA,
    key(),
    Column("pool_uuid", String(36), nullable=True),
    Column("code", String(64), nullable=False),
    Column("subject_uuid", String(64), nullable=True),
    Column("created_at_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger, nullable=True),
    Column("body", Text, nullable=False),
)

AUDIT = Table(
    "audit",
    METADATA,
    key(),
    Column("at_us", BigInteger, nullable=False, index=True),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("pool_uuid", String(36), nullable=True),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False, default=""),
)

RESCANS = Table(
    "rescans",
    METADATA,
    key(),
    Column("pool_uuid", String(36), nullable=False),
    Column("sr_uuid", String(36), nullable=False),
    Column("asked_at_us", BigInteger, nullable=False),
    Column("state", String(24), nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "sr_uuid", "asked_at_us"),
)

# What one collector asks of another: evidence on demand, a rescan by the pool's owner.
REQUESTS = Table(
    "requests",
    METADATA,
    key(),
    Column("kind", String(32), nullable=False),
    Column("target", String(64), nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("deadline_us", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("reply", LargeBinary, nullable=True),
    Index(None, "kind", "state", "target"),
)
