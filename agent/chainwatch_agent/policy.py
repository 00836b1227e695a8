"""What is selected: the floor that no collector can take away, and the part that a collector adds. Pure.

A line is selected when its syslog ident is one of `idents` and it holds none of `noise`, or when it holds one of
`literals` (proto/README.md section 8). The floor's literals are the wordings of SMlog's catalogue (message ids in
brackets) that an SM-ident line must be kept for; everything of ident SMGC is kept but what is proved to say nothing.
"""

from typing import Iterable, NamedTuple, Optional, Tuple

from chainwatch_agent.message_heads import ANY

MIN_LITERAL_BYTES = 4
MAX_LITERAL_BYTES = 256
MAX_LITERALS = 64
MAX_IDENTS = 64
MAX_LOGS = 64
SMLOG = "/var/log/SMlog"
_UUID_BYTES = 36


class LogPolicy(NamedTuple):
    """The selection from one log. `log` is the path without rotation suffix."""

    log: str
    idents: Tuple[bytes, ...] = ()
    literals: Tuple[bytes, ...] = ()
    noise: Tuple[bytes, ...] = ()


class Policy(NamedTuple):
    """`policy_id` 0 is the floor alone."""

    policy_id: int
    logs: Tuple[LogPolicy, ...]


class PolicyError(Exception):
    """A policy that breaks a limit: what, and the limit."""


# Lines of ident SM that the catalogue gives a meaning to: all but one by how the message behind `[pid] ` begins, for
# such literals cost one pass together (`select.py`).
_SM_LITERALS = (
    b"] ['/usr/bin/vhd-util', 'c",  # E5: coalesce, check
    b"] ['/usr/bin/qemu-img', 'c",  # E5: commit, check
    b"] FAILED ",  # E7, E10
    b"] ***",  # E4, V3, V5, V6, V12-V14, J1-J4
    b"] Raising exception",  # A2
    b"] EXCEPTION ",  # C16
    b"] sr_",  # A1: the driver call, its SR
    b"] vdi_",  # A1: and VDI
    b"] Kicking ",  # G1, G2
    b"] Failed to ",  # G4, K4, J7
    b"] A GC instance",  # A5
    b"] The GC ",  # A7
    b"] GC: ",  # G20
    b"] Xapi not ready",  # G9
    b"] IPCFlag: ",  # K7, K8
    b"] Coalesce failed on",  # C26, C27
    b"] (error ignored)",  # C28
    b"] Could not coalesce",  # C47
    b"] Not enough space",  # A9, A10
    b"] gc_running",  # C14
    b"] Remote coalesce",  # C10
    b"] abortTest: ",  # C13
    b"] Not coalesceable",  # C15
    b"] VDI",  # C15, D2, Q1
    b"] new VDIs",  # D1
    b"] Forgetting VDI",  # D5
    b"] Updated the ",  # C32c
    b"] Coalescing VDI",  # Q2
    b"] Calling cancel_",  # Q3
    b"] Running cancel_",  # Q4
    b"] Commit command",  # Q7
    b"] Query command",  # Q8
    b"] Pause",  # P1, P7, P19
    b"] Unpause",  # P2, P8
    b"] WARN",  # P15, V1, V2
    b"] ERROR: ",  # V8, V9
    b"] Scan found",  # V11
    b"] Relinking key",  # P18
    b"] SR locked",  # P24
    b"] We have secondary",  # P25
) + tuple(
    # K2, K3, K5, K6 of the run's lock; that its file is opened or closed says nothing of who holds it.
    b"] lock: " + verb + b" /var/lock/sm/" + ANY * _UUID_BYTES + b"/gc_active"
    for verb in (b"tried lock", b"acquired", b"released", b"unlinking lock file")
)

# SMGC lines that move nothing in any version (catalogue: C5, C6, C40, L40) and are most of what a busy GC prints.
_SMGC_NOISE = (
    b"] Num combined blocks = ",
    b"] Coalesced size = ",
    b"] Got sm-config for ",
    b"] Set vhd-blocks = ",
    b"] Closing file: /var/run/",
)

_DAEMON = (
    b"SMGC@",
    b"Garbage Collector for SR",
    b"Traceback (most",
    b"/sm/cleanup",
    b"cleanup.py[",
    b"cleanup[",
    b"remaining active paths",
    b"mark as failed",
    b"Kernel reported iSCSI",
    b" tapdisk[",
)
_KERNEL = (
    b"I/O error",
    b" error, dev ",
    b"EXT4-fs error",
    b"Remounting filesystem read-only",
    b"Aborting journal",
    b"not responding",
    b"nfs: server",
    b"multipath: Failing",
    b"conn error",
    b"recovery timed out",
    b"Out of memory",
    b"drbd ",
)

FLOOR = Policy(
    0,
    (
        LogPolicy(SMLOG, (b"SMGC",), _SM_LITERALS, _SMGC_NOISE),
        LogPolicy("/var/log/daemon.log", (), _DAEMON),
        LogPolicy("/var/log/kern.log", (), _KERNEL),
        LogPolicy("/var/log/user.log", (), (b"libvhd::", b" vhd-util")),
        LogPolicy("/var/log/drbd-kern.log", (), (b"drbd ",)),
        LogPolicy("/var/log/xensource.log", (), (b"SR_BACKEND_FAILURE", b"SMGC@")),
    ),
)


def floor_for(logs: Iterable[str]) -> Policy:
    """The floor for the logs that are followed; one that has no floor of its own is read and nothing of it selected."""
    known = {part.log: part for part in FLOOR.logs}
    return Policy(0, tuple(known.get(log, LogPolicy(log)) for log in logs))


def part_for(policy: Optional[Policy], log: str) -> LogPolicy:
    """A policy's part for one log, several parts of the same log put together."""
    found = [part for part in (policy.logs if policy else ()) if part.log == log]
    return LogPolicy(
        log,
        tuple(ident for part in found for ident in part.idents),
        tuple(literal for part in found for literal in part.literals),
        tuple(noise for part in found for noise in part.noise),
    )


def check(policy: Policy) -> None:
    """Raise `PolicyError` where a collector's policy breaks a limit; it is then refused as a whole."""
    if len(policy.logs) > MAX_LOGS:
        raise PolicyError("{} logs, at most {}".format(len(policy.logs), MAX_LOGS))
    for part in policy.logs:
        if not part.log.startswith("/var/log/") or "/../" in part.log + "/":
            raise PolicyError("log {!r}: a path below /var/log/ is right".format(part.log[:100]))
        for literal in part.literals + part.noise:
            if not MIN_LITERAL_BYTES <= len(literal) <= MAX_LITERAL_BYTES or b"\n" in literal:
                wrong = "{}: literal {!r}: {} to {} bytes without a newline are right"
                raise PolicyError(wrong.format(part.log, literal[:40], MIN_LITERAL_BYTES, MAX_LITERAL_BYTES))
        for ident in part.idents:
            if not 0 < len(ident) <= MAX_LITERAL_BYTES or b" " in ident or b":" in ident or b"\n" in ident:
                raise PolicyError("{}: ident {!r} is no syslog ident".format(part.log, ident[:40]))
    literals = sum(len(part.literals) for part in policy.logs)
    noise = sum(len(part.noise) for part in policy.logs)
    idents = sum(len(part.idents) for part in policy.logs)
    if literals > MAX_LITERALS or noise > MAX_LITERALS or idents > MAX_IDENTS:
        raise PolicyError(
            "{} literals and {} idents, at most {} and {}".format(literals, idents, MAX_LITERALS, MAX_IDENTS)
        )
