"""What one agent, and all of them together, may cost. Sizes in bytes, times in seconds (proto/README.md 6)."""

from dataclasses import dataclass

MAX_OFFSET = 1 << 62
MAX_NAME_BYTES = 4096
MAX_FIRST_LINE_BYTES = 8192
MAX_LINE_BYTES = 64 * 1024
MAX_LOGS = 64
MAX_FILES_SEEN = 4096
# Of a span: an agent's has a quarter of a megabyte of lines at most, and each line that is selected has 8 bytes.
MAX_SLICES = 32_768
# Above `max_message_bytes`, for the frame of the message around what the agreed size is about.
FRAME_BYTES = 4096
# What is up to so many times as large as allowed is still read, so that the answer can name whose it was.
READ_FACTOR = 2
# Of what was asked for: short lines that are no neighbours come one to a reply, each with its file's name.
REPLY_FACTOR = 8
# Of a stream whose reader waits; a message that is being read may be as large as it may.
UNREAD_BYTES = 256 * 1024
MAX_PROBLEMS = 256
MAX_PROCESSES = 1024
MAX_COUNTERS = 256
MAX_POLICY_BYTES = 128 * 1024


@dataclass(frozen=True)
class IngestLimits:
    """Told to the agents in Welcome, or held by the server alone."""

    window_bytes: int = 4 * 1024 * 1024
    max_message_bytes: int = 1024 * 1024
    heartbeat_seconds: int = 10
    sample_seconds: int = 2
    max_streams: int = 5000
    # Of one host: each costs a commit. An agent that behaves waits a second and more before it comes again.
    stream_opens_per_minute: float = 120.0
    stream_opens_burst: int = 60
    # Of one host, in points (`pace`): a message is one, 512 bytes of it that are no log lines another.
    points_per_second: float = 200.0
    points_burst: float = 300.0
    # Who comes again before it may is told so late; more than a few are not kept waiting.
    refusal_seconds: float = 1.0
    # The most that a host waits whose streams were ended for its agent's fault again and again.
    fault_wait_seconds: float = 60.0
    # Connections that have no stream: new ones, and those of strangers.
    spare_connections: int = 1000
    handshake_seconds: float = 10.0
    idle_connection_seconds: float = 60.0
    # What all streams together may hold that is not committed yet.
    pending_bytes: int = 256 * 1024 * 1024
    hello_seconds: float = 10.0
    # A stream that said nothing for so long is closed, and a host this old counts as gone.
    silent_seconds: float = 35.0
    drain_seconds: float = 5.0
    evidence_bytes: int = 1024 * 1024
    revocation_check_seconds: float = 60.0
