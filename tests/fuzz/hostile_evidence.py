"""Evidence that only a dom0 that was taken over sends: real wordings, with names that it makes up as it goes.

A dom0 has a valid certificate and may say what it likes for as long as it likes. Each kind grows one thing that the
collector remembers: `KINDS[kind](log, number)` writes the `number`-th variant of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime

from chainwatch_collector.track.observations import (
    LockHeld,
    LogSeen,
    MountSeen,
    ProcessesObserved,
    ProcessGone,
    SrRuntimeSeen,
    StatusObserved,
)
from collector.judge.scene import MASTER, host_seen, process
from smlog import SR, A, B, Smlog, disk

Kind = Callable[[Smlog, int], object]
KINDS: dict[str, Kind] = {}
PIDS = 30_000
OPEN_RUNS = 512
LONG_WORD = "x" * 8_000
"""rsyslog cuts at 8 KiB; what is longer the collector takes up to 64."""
ENTRIES = 1024
"""Of a kind in one message: what the collector takes (proto/README.md 6.6)."""


def invented(number: int, what: str = "sr") -> str:
    """A uuid that nothing has; each number another one, the first 8 characters too."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{what} {number}"))


def kind(make: Kind) -> Kind:
    """Registers it under its name."""
    KINDS[make.__name__] = make
    return make


def pid_of(number: int) -> int:
    """Another one each time, as a real host's: below pid_max, and used again."""
    return 100 + 4 * (number % PIDS)


# --- SRs ------------------------------------------------------------------------------------------------------


@kind
def srs_that_crash(log: Smlog, number: int) -> None:
    """A run of an SR that nobody has, and its end."""
    sr, pid = invented(number), pid_of(number)
    log.start(pid, sr).tree(pid, (0, disk(invented(number, "vdi"))), sr=sr)
    log.banner(pid, "gc", "Unable to acquire the SR lock").gc(pid, f"* * * * * SR {sr}: ERROR", "")


@kind
def srs_of_four_digits(log: Smlog, number: int) -> None:
    """Trees of runs whose beginning was never shown: the SR has only its first four digits."""
    pid, sr = pid_of(number), invented(number)
    log.tree(pid, (0, disk(A)), (1, disk(invented(number, "vdi"))), sr=sr).finish(pid, sr=sr)


@kind
def srs_that_are_locked(log: Smlog, number: int) -> None:
    """Waits for the locks of SRs that nobody has."""
    log.sm(pid_of(number), f"Failed to lock /var/lock/sm/{invented(number)}/sr on first attempt, blocked by PID 4711")


@kind
def srs_that_are_damaged(log: Smlog, number: int) -> None:
    """Ten to one SR: many of them, each with much to be told of it."""
    sr, pid = invented(number // 10), pid_of(number)
    log.start(pid, sr).gc(pid, f"ERROR: Parent VDI {invented(number, 'parent')} not found! (for {invented(number)})")
    log.banner(pid, "gc", f"Parent VDI {invented(number, 'parent')} not found")


# --- one SR that there is -------------------------------------------------------------------------------------


@kind
def images_that_are_damaged(log: Smlog, number: int) -> None:
    """A scan of the SR that there is meets images that nobody has."""
    pid = pid_of(number)
    log.sm(pid, f"sr_scan {{'sr_uuid': '{SR}', 'args': []}}", f"*** vhd-scan error: {invented(number)}")


@kind
def images_without_parents(log: Smlog, number: int) -> None:
    """Every run ends over another one."""
    pid = pid_of(number)
    log.start(pid).gc(pid, f"ERROR: Parent VDI {invented(number, 'parent')} not found! (for {invented(number)})")


@kind
def merges_that_fail(log: Smlog, number: int) -> None:
    """Pair by pair in runs that end."""
    pid, child, parent = pid_of(number), invented(number, "child"), invented(number, "parent")
    log.start(pid).tree(pid, (0, disk(parent)), (1, disk(child)))
    log.inner_start(pid, child, parent).copy(pid + 1, child)
    log.failed_command(pid + 1, 28, "error coalescing: -28").banner(
        pid + 1, "This exception has occured", "No space left on device"
    )
    log.banner(pid, "coalesce", "Child process exited with error").gc(pid, "Coalesce failed, skipping").finish(pid)


@kind
def merges_that_are_done(log: Smlog, number: int) -> None:
    """Each leaves its image behind as one that is gone."""
    pid, child, parent = pid_of(number), invented(number, "child"), invented(number, "parent")
    log.start(pid).tree(pid, (0, disk(parent)), (1, disk(child)))
    log.inner_start(pid, child, parent).copy(pid + 1, child).copied(pid, pid + 1).updated(pid).finish(pid)


@kind
def merges_that_never_end(log: Smlog, number: int) -> None:
    """All in one run."""
    if number == 0:
        log.start(100)
    log.inner_start(100, invented(number, "child"), invented(number, "parent"))


@kind
def runs_that_never_end(log: Smlog, number: int) -> None:
    """Each begins a merge and is not heard of again."""
    pid = pid_of(number)
    log.start(pid).inner_start(pid, invented(number), A)


@kind
def runs_that_all_go_on(log: Smlog, number: int) -> None:
    """As many as are remembered, and each says something again and again: one more merge."""
    pid = 100 + 4 * (number % OPEN_RUNS)
    if number < OPEN_RUNS:
        log.start(pid)
    log.gc(pid, f"Coalescing {disk(invented(number))} -> {disk(A)}")


@kind
def hosts_in_the_way(log: Smlog, number: int) -> None:
    """A run for each, ended by a host that cannot be asked."""
    pid = pid_of(number)
    log.start(pid).gc(pid, f"Checking with slave {invented(number, 'host')} (path /dev/x)")
    log.banner(pid, "gc", f"Unable to check leaf on {invented(number, 'host')}")
    log.gc(pid, f"* * * * * SR {SR}: ERROR", "")


@kind
def trees_that_grow(log: Smlog, number: int) -> None:
    """A run prints what is new to it, and everything always is."""
    if number == 0:
        log.start(100).chain(100)
    root = invented(number, "root")
    counts = f"({number + 3} VDIs in {number + 1} VHD trees)"
    log.gc(100, f"SR {SR[:4]} ('Local storage') {counts}: showing only VHD trees that changed:")
    log.gc(100, f"        {disk(root)}", f"            {disk(invented(number))}", "")


@kind
def leaves_that_are_skipped(log: Smlog, number: int) -> None:
    """By their settings."""
    if number == 0:
        log.start(100)
    log.gc(100, f"Leaf-coalesce disabled for {disk(invented(number), hidden=False)}")


@kind
def merges_without_space(log: Smlog, number: int) -> None:
    """Refused before they began."""
    if number % 50 == 0:
        log.finish(100).start(100)
    log.gc(100, f"No space to leaf-coalesce {disk(invented(number), hidden=False)} (free space: 4096)")


@kind
def snapshots(log: Smlog, number: int) -> None:
    """Commands that go well, as far as anybody hears."""
    log.sm(pid_of(number), f"vdi_snapshot {{'sr_uuid': '{SR}', 'vdi_uuid': '{invented(number)}', 'args': []}}")


@kind
def snapshots_refused(log: Smlog, number: int) -> None:
    """Chains of disks that nobody has are at their limit."""
    pid = pid_of(number)
    log.sm(pid, f"vdi_snapshot {{'sr_uuid': '{SR}', 'vdi_uuid': '{invented(number)}', 'args': []}}")
    log.sm(pid, "Raising exception [109, The snapshot chain is too long]")
    log.sm(
        pid, "***** generic exception: vdi_snapshot: EXCEPTION <class 'SR.SROSError'>, The snapshot chain is too long"
    )


@kind
def disks_that_are_frozen(log: Smlog, number: int) -> None:
    """In a run of the SR that there is."""
    if number == 0:
        log.start(100)
    log.gc(100, f"ERROR: Failed to unpause VDI {disk(invented(number), hidden=False)}")


@kind
def chains_on_several_hosts(log: Smlog, number: int) -> None:
    """One for each image."""
    if number == 0:
        log.start(100)
    log.gc(100, f"VDI '{invented(number)}' has leaves attached on multiple hosts")


# --- the host -------------------------------------------------------------------------------------------------


@kind
def devices_with_errors(log: Smlog, number: int) -> None:
    """The kernel's, each a device of its own."""
    log.raw(f"kernel: [ 1.5] blk_update_request: I/O error, dev sd{number}, sector 4096")


@kind
def servers_that_do_not_answer(log: Smlog, number: int) -> None:
    """NFS servers that nobody has."""
    log.raw(f"kernel: [ 1.5] nfs: server filer{number} not responding, still trying")


@kind
def long_words(log: Smlog, number: int) -> None:
    """Names of devices, SRs, locks and hosts as long as a line may be."""
    word, sr, pid = f"{number:x}" + LONG_WORD, invented(number), pid_of(number)
    log.raw(f"kernel: [ 1.5] blk_update_request: I/O error, dev {word}, sector 4096")
    log.start(pid, sr).tree(pid, (0, disk(A)), sr=sr, name=word)
    log.sm(pid + 1, f"Failed to lock /var/lock/sm/{sr}/{word} on first attempt, blocked by PID 4711")
    log.gc(pid, f"Checking with slave {word} (path /dev/x)").banner(pid, "gc", word)


@kind
def whatever(log: Smlog, number: int) -> None:
    """All of it in turn."""
    others = [make for name, make in sorted(KINDS.items()) if name != "whatever"]
    others[number % len(others)](log, number // len(others))


# --- the agent ------------------------------------------------------------------------------------------------


def status(number: int, at: datetime) -> StatusObserved:
    """As many entries of everything as a message may have, all of them new."""
    of = [invented(ENTRIES * number + one, "status") for one in range(ENTRIES)]
    return StatusObserved(
        host_uuid=MASTER,
        at=at,
        host=host_seen("xcp1"),
        locks=tuple(LockHeld(sr_uuid=sr, lock="gc_active", pid=1, start_ticks=1, waiting=False) for sr in of),
        srs=tuple(_runtime(sr) for sr in of),
        mounts=tuple(_mount(sr) for sr in of),
        logs=tuple(LogSeen(path=f"/var/log/{one}", size_bytes=1, mtime=None, read_to=1, problem="") for one in of[:64]),
        counters=dict.fromkeys(of[:256], 1.0),
        problems=tuple(of[:256]),
        dropped_total=0,
    )


def _mount(sr: str) -> MountSeen:
    return MountSeen(
        sr_uuid=sr, mount_point=f"/run/sr-mount/{sr}", fs_type="nfs4", source="filer:/" + sr, read_only=True
    )


def _runtime(sr: str) -> SrRuntimeSeen:
    return SrRuntimeSeen(
        sr_uuid=sr, gc_init_at=None, gc_running=(), ipc_flags=(), speeds=(), unit_state="active", unit_pids=(1,)
    )


def samples(number: int, at: datetime) -> ProcessesObserved:
    """As many processes as a message may have, all of them new, and the former ones gone."""
    first = ENTRIES * number
    seen = tuple(
        process(invented(one, "vdi"), kind="gc" if one % 2 else "vhd_coalesce", pid=one + 1, written=one)
        for one in range(first, first + ENTRIES)
    )
    gone = tuple(
        ProcessGone(
            pid=one,
            start_ticks=1000,
            kind="gc",
            sr_uuid=SR,
            vdi_uuid=B,
            seen_until=at,
            exact=True,
            exit_status=0,
            write_bytes=0,
        )
        for one in range(first - ENTRIES, first)
    )
    return ProcessesObserved(host_uuid=MASTER, at=at, processes=seen, ended=gone, dropped_total=number)
