"""Tables of trust: who may send evidence, who may ask, and until when. Primary data, never recomputed.

Secrets are kept as hashes: SHA-256 of random tokens of 256 bits, scrypt of passwords. Times are `*_us`.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, Text

from chainwatch_collector.keep.tables import METADATA, Id, key

# Single use: `used_at_us` is set in the transaction that issues the certificate.
ENROLMENT_TOKENS = Table(
    "enrolment_tokens",
    METADATA,
    key(),
    Column("host_uuid", String(36), nullable=False, index=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_at_us", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
    Column("used_at_us", BigInteger, nullable=True),
    Column("used_from", Text, nullable=False, default=""),
)

# Certificates of this host that were issued before this moment are refused, also those that no row names.
REVOKED_HOSTS = Table(
    "revoked_hosts",
    METADATA,
    Column("host_uuid", String(36), primary_key=True),
    Column("revoked_at_us", BigInteger, nullable=False),
    Column("revoked_by", Text, nullable=False),
)

# `pools` is a JSON list of pool uuids; null: every pool. `password` is null for accounts that only have tokens.
ACCOUNTS = Table(
    "accounts",
    METADATA,
    key(),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("pools", Text, nullable=True),
    Column("password", Text, nullable=True),
    Column("created_at_us", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at_us", BigInteger, nullable=True),
    Column("disabled_at_us", BigInteger, nullable=True),
)

# A token of the API or a browser's session. It never reaches further than its account does now: `role` and `pools`
# can only narrow. `csrf` is set for sessions. `kind`: token or session.
ACCESS_TOKENS = Table(
    "access_tokens",
    METADATA,
    key(),
    Column("account_id", Id, nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("label", Text, nullable=False, default=""),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("csrf", String(64), nullable=True),
    Column("role", String(16), nullable=True),
    Column("pools", Text, nullable=True),
    Column("created_at_us", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
    Column("revoked_at_us", BigInteger, nullable=True),
    Index(None, "expires_at_us"),
)

# The last dom0 that was refused because it came with the certificate of a connected host, at whichever collector: one
# row a host, so that a clone that keeps on coming costs nothing.
HOST_DUPLICATES = Table(
    "host_duplicates",
    METADATA,
    Column("host_uuid", String(36), primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("live_machine_id", String(64), nullable=False),
    Column("machine_id", String(64), nullable=False),
    Column("hostname", Text, nullable=False),
    Column("peer", Text, nullable=False),
)

# Agents whose streams were ended for their own fault, or are read slowly since they say too much, at whichever
# collector: one row a host, which tells of its last run. `text` is the collector's own, never a word of the agent's.
AGENT_FAULTS = Table(
    "agent_faults",
    METADATA,
    Column("host_uuid", String(36), primary_key=True),
    Column("since_us", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("slowed", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("peer", Text, nullable=False),
)
