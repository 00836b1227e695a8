"""Tables of notifications: who knows of what, and what is still to be sent. Primary data, never recomputed.

Times are `*_us`: microseconds since 1970 UTC.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from chainwatch_collector.keep.tables import METADATA, key

# What a channel was told of and has not been told is over: one row per open incident. `body` is JSON.
NOTIFIED = Table(
    "notified",
    METADATA,
    Column("channel", String(64), primary_key=True),
    Column("incident", String(128), primary_key=True),
    Column("severity", String(16), nullable=False),
    Column("body", Text, nullable=False),
)

# What is still to be sent, in the order of ids. Written in the transaction that changes `notified`.
NOTIFICATIONS = Table(
    "notifications",
    METADATA,
    key(),
    Column("channel", String(64), nullable=False),
    Column("event", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("next_try_at_us", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Index(None, "channel", "id"),
)
