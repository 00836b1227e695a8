"""Tables of evidence: what agents saw. Written by `ingest`, read by `evidence`; nothing here is ever recomputed.

Times are `*_us`: microseconds since 1970 UTC. Ids are integers. SQLAlchemy Core, so that one statement set serves
SQLite and PostgreSQL.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)
# SQLite numbers rows by itself only for INTEGER; PostgreSQL gets bigint.
Id = BigInteger().with_variant(Integer, "sqlite")


def key(name: str = "id") -> Column[int]:
    """A primary key that numbers itself."""
    return Column(name, Id, primary_key=True, autoincrement=True)


HOSTS = Table(
    "hosts",
    METADATA,
    key(),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("hostname", Text, nullable=False, default=""),
    Column("machine_id", String(64), nullable=False, default=""),
    # Taken by every Hello; a commit under an older one fails (proto/README.md 2.2).
    Column("stream_epoch", BigInteger, nullable=False, default=0),
    Column("stream_open", Boolean, nullable=False, default=False),
    Column("agent_epoch", Text, nullable=False, default=""),
    Column("observed_seq", BigInteger, nullable=False, default=0),
    Column("observations_lost", BigInteger, nullable=False, default=0),
    Column("agent_version", Text, nullable=False, default=""),
    Column("python", Text, nullable=False, default=""),
    Column("sm_version", Text, nullable=False, default=""),
    Column("timezone", Text, nullable=False, default=""),
    Column("utc_offset_seconds", Integer, nullable=False, default=0),
    Column("features", Text, nullable=False, default=""),
    # The agent's clock less the collector's when it said Hello.
    Column("clock_skew_us", BigInteger, nullable=False, default=0),
    Column("registered_at_us", BigInteger, nullable=False),
    Column("connected_at_us", BigInteger, nullable=False, default=0),
    Column("last_seen_at_us", BigInteger, nullable=False, default=0),
    # Raised by every commit of evidence: what a fold polls.
    Column("evidence_version", BigInteger, nullable=False, default=0),
)

LOGS = Table("logs", METADATA, key(), Column("path", Text, nullable=False, unique=True))

# A policy as it was in force: the collector's part and the agent's floor together.
POLICIES = Table(
    "policies",
    METADATA,
    key(),
    Column("policy_id", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("first_used_at_us", BigInteger, nullable=False),
)

FILES = Table(
    "files",
    METADATA,
    key(),
    Column("host_id", Id, ForeignKey("hosts.id"), nullable=False),
    Column("log_id", Id, ForeignKey("logs.id"), nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("salt", Integer, nullable=False),
    Column("name", Text, nullable=False, default=""),
    Column("first_line", LargeBinary, nullable=False, default=b""),
    Column("mtime_us", BigInteger, nullable=False, default=0),
    Column("compressed", Boolean, nullable=False, default=False),
    Column("predecessor_id", Id, nullable=True),
    # How far it is committed, and what proves that the bytes before are the ones that were read.
    Column("to_offset", BigInteger, nullable=False, default=0),
    Column("tail_sha256", LargeBinary, nullable=False, default=b""),
    # Lines of it in `lines` and the bytes of their texts; retention has dropped what begins before `dropped_to`.
    Column("stored_lines", BigInteger, nullable=False, default=0, server_default="0"),
    Column("stored_bytes", BigInteger, nullable=False, default=0, server_default="0"),
    Column("dropped_to", BigInteger, nullable=False, default=0, server_default="0"),
    # The day it was registered, UTC, never changed: what retention and time partitions go by.
    Column("born_on", Date, nullable=False),
    UniqueConstraint("host_id", "fingerprint", "salt"),
    UniqueConstraint("host_id", "log_id", "ordinal"),
    Index(None, "born_on"),
)

# One row per selected physical line, newline cut off. (file_id, offset) is the whole identity.
LINES = Table(
    "lines",
    METADATA,
    # No foreign key here: a check per line would cost more than the line.
    Column("file_id", Id, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    # First 8 bytes of BLAKE2b of the data as a signed integer: tells a replay from other bytes.
    Column("hash", BigInteger, nullable=False),
    Column("read_at_ms", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    # The row is its own index: a range read of a file is one sequential read.
    sqlite_with_rowid=False,
)

COVERAGE = Table(
    "coverage",
    METADATA,
    key(),
    Column("file_id", Id, ForeignKey("files.id"), nullable=False),
    Column("from_offset", BigInteger, nullable=False),
    Column("to_offset", BigInteger, nullable=False),
    Column("policy_id", Id, ForeignKey("policies.id"), nullable=False),
    Column("lines_selected", BigInteger, nullable=False),
    Column("scrubbed", BigInteger, nullable=False),
    Column("first_read_at_us", BigInteger, nullable=False),
    Column("last_read_at_us", BigInteger, nullable=False),
    UniqueConstraint("file_id", "from_offset"),
)

GAPS = Table(
    "gaps",
    METADATA,
    key(),
    Column("host_id", Id, ForeignKey("hosts.id"), nullable=False),
    Column("log_id", Id, ForeignKey("logs.id"), nullable=False),
    # The proto's Gap.Reason.
    Column("reason", SmallInteger, nullable=False),
    # 0 where unset or not a file we know: then the ordinal cannot be said either.
    Column("after_file_id", Id, nullable=False, default=0),
    Column("after_offset", BigInteger, nullable=False, default=0),
    Column("before_file_id", Id, nullable=False, default=0),
    Column("before_offset", BigInteger, nullable=False, default=0),
    Column("missing_bytes", BigInteger, nullable=False, default=0),
    Column("detail", Text, nullable=False, default=""),
    Column("declared_at_us", BigInteger, nullable=False),
    UniqueConstraint(
        "host_id",
        "log_id",
        "reason",
        "after_file_id",
        "after_offset",
        "before_file_id",
        "before_offset",
        name="uq_gaps_place",
    ),
)

# Bytes committed to a file after a later file of the same log had begun.
LATE_RANGES = Table(
    "late_ranges",
    METADATA,
    key(),
    Column("host_id", Id, ForeignKey("hosts.id"), nullable=False),
    Column("log_id", Id, ForeignKey("logs.id"), nullable=False),
    Column("file_id", Id, ForeignKey("files.id"), nullable=False),
    Column("from_offset", BigInteger, nullable=False),
    Column("to_offset", BigInteger, nullable=False),
    Index(None, "host_id", "log_id", "id"),
)

# The newest Status of each host, as it came (serialised protobuf).
STATUSES = Table(
    "statuses",
    METADATA,
    Column("host_id", Id, ForeignKey("hosts.id"), primary_key=True, autoincrement=False),
    Column("agent_epoch", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# Samples with something in them, as they came; kept 7 days.
SAMPLES = Table(
    "samples",
    METADATA,
    key(),
    Column("host_id", Id, ForeignKey("hosts.id"), nullable=False),
    Column("agent_epoch", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "host_id", "at_us"),
    Index(None, "at_us"),
)

# One certificate per row. `sha256` is of its DER form. A newer one retires the others of its host: at once where the
# host was enrolled anew, at its first stream where it was renewed, so that a lost answer locks nobody out.
CERTIFICATES = Table(
    "certificates",
    METADATA,
    key(),
    Column("host_uuid", String(36), nullable=False, index=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("not_after_us", BigInteger, nullable=False),
    Column("issued_at_us", BigInteger, nullable=False),
    Column("issued_by", Text, nullable=False, default=""),
    Column("revoked_at_us", BigInteger, nullable=True),
    Column("revoked_by", Text, nullable=False, default=""),
    Column("first_used_at_us", BigInteger, nullable=True),
    Column("retired_at_us", BigInteger, nullable=True),
)
