"""The demo's story: one pool with a corrupt image and a healthy SR, one without room to merge and without an agent."""

from __future__ import annotations

from lab.estate import Disk, PoolPlan, Storage

BROKEN_SR = "nfs-prod-1"
EXPECTED = {BROKEN_SR: "VDI_CORRUPT", "nfs-dr-1": "COALESCE_NO_SPACE"}
"""SR → the finding that its diagnosis must have."""


def chain(depth: int, leaf: str, blocks_each: int = 80) -> list[Disk]:
    """A straight chain: base, merges pending in between, the guest's disk; each holds blocks that no other has."""
    disks = [Disk("base", None, True, (0, 400))]
    for number in range(1, depth - 1):
        first = 400 + (number - 1) * blocks_each
        disks.append(Disk(f"merge-{number}", disks[-1].name, True, (first, first + blocks_each)))
    return [*disks, Disk(leaf, disks[-1].name, False, (0, 30))]


def filler(gib: int, name: str = "archive") -> Disk:
    """A disk of its own that takes up room."""
    return Disk(name, None, False, (0, gib * 512), size_gib=gib)


def prod() -> PoolPlan:
    """nfs-prod-1 has a corrupt base copy, local-2 merges well."""
    broken = [*chain(4, "db-1 data"), filler(30)]
    healthy = [*chain(3, "web-1 root"), filler(12)]
    return PoolPlan(
        "prod",
        ["xcp-prod-1", "xcp-prod-2"],
        [
            Storage("nfs", BROKEN_SR, broken, {"db-1": "db-1 data"}, size_gib=80, used_gib=32),
            Storage("ext", "local-2", healthy, {"web-1": "web-1 root"}, 40, 14, "xcp-prod-2"),
            Storage("iso", "iso-library", size_gib=50, used_gib=20),
        ],
    )


def disaster_recovery() -> PoolPlan:
    """nfs-dr-1 is full but for a few MiB; xcp-dr-2 has no agent."""
    full = [*chain(5, "mail-1 root"), filler(14)]
    return PoolPlan(
        "dr",
        ["xcp-dr-1", "xcp-dr-2"],
        [Storage("nfs", "nfs-dr-1", full, {"mail-1": "mail-1 root"}, size_gib=16, used_gib=16)],
        agents=["xcp-dr-1"],
    )
