"""The pool of the scenarios on single SRs, each with the disks that its story needs."""

from __future__ import annotations

from collections.abc import Sequence

from lab.estate import Disk, PoolPlan, Storage

MASTER, MEMBER = "xcp-prod-1", "xcp-prod-2"
CALM_MASTER, CALM_MEMBER = "xcp-calm-1", "xcp-calm-2"
BLOCK_GIB = 2 / 1024


def forked(*more: Disk) -> list[Disk]:
    """One merge to do and no more: base, a hidden node, and two disks that share it."""
    disks = [Disk("base", None, True, (0, 400)), Disk("merge-1", "base", True, (400, 480))]
    return [*disks, Disk("disk-a", "merge-1", False, (0, 30)), Disk("disk-b", "merge-1", False, (0, 20)), *more]


def straight(depth: int, leaf: str = "disk") -> list[Disk]:
    """A chain that is to be merged into one image."""
    disks = [Disk("base", None, True, (0, 40))]
    for number in range(1, depth - 1):
        disks.append(Disk(f"merge-{number}", disks[-1].name, True, (40 + 4 * number, 44 + 4 * number)))
    return [*disks, Disk(leaf, disks[-1].name, False, (0, 4))]


def used_gib(disks: Sequence[Disk]) -> float:
    return sum(disk.blocks[1] - disk.blocks[0] for disk in disks) * BLOCK_GIB * 1.003


def full() -> Storage:
    """100 MiB free, where the merge needs 160."""
    disks = forked(Disk("archive", None, False, (0, 2048), 10))
    return Storage("ext", "full", disks, {"full-vm": "disk-a"}, used_gib(disks) + 0.1, used_gib(disks), MASTER)


def clones() -> Storage:
    """A template and its fast clones, running on both hosts."""
    disks = [Disk("template", None, True, (0, 400))]
    disks += [Disk(f"clone-{number}", "template", False, (0, 20)) for number in range(4)]
    disks += [
        Disk("golden", "template", True, (400, 440)),
        Disk("late-1", "golden", False),
        Disk("late-2", "golden", False),
    ]
    vms = {f"clone-vm-{number}": f"clone-{number}" for number in range(4)}
    return Storage("nfs", "clones", disks, vms, guests={"clone-vm-1": MEMBER, "clone-vm-3": MEMBER})


def qcow2() -> Storage:
    """A merge pending below which two guests run, on two hosts."""
    vms = {"q-1": "disk-a", "q-2": "disk-b"}
    return Storage("nfs", "qcow2", forked(), vms, guests={"q-2": MEMBER}, image_format="qcow2")


def prod() -> PoolPlan:
    thick = [Disk("disk", None, False, (0, 20000), 50), Disk("other", None, False, (0, 2000), 10)]
    return PoolPlan(
        "prod",
        [MASTER, MEMBER],
        [
            Storage("nfs", "corrupt", forked(), {"corrupt-vm": "disk-a"}),
            Storage("nfs", "enospc", forked(), {"enospc-vm": "disk-a"}),
            full(),
            Storage("nfs", "outrun", straight(2), {"outrun-vm": "disk"}),
            Storage("nfs", "footer", forked(), {"footer-vm": "disk-a"}),
            Storage("nfs", "switch", forked(), {"switch-vm": "disk-a"}, other_config={"gc": "false"}),
            Storage("nfs", "kept", [Disk("disk", None, False, (0, 40))], {"kept-vm": "disk"}),
            Storage("nfs", "backlog", straight(30), {"backlog-vm": "disk"}),
            Storage("lvmoiscsi", "thick", thick, {"thick-vm": "disk"}, size_gib=100, used_gib=60),
            clones(),
            qcow2(),
            Storage("nfs", "paused", [Disk("disk", None, False, (0, 40))], {"paused-vm": "disk"}),
            Storage("nfs", "nothing", straight(2), {"nothing-vm": "disk"}),
        ],
    )


def calm() -> PoolPlan:
    """A pool in which nothing goes wrong."""
    disks = [Disk("disk", None, False, (0, 400)), Disk("other", None, False, (0, 200))]
    vms = {"nightly-vm": "disk", "other-vm": "other"}
    return PoolPlan("calm", [CALM_MASTER, CALM_MEMBER], [Storage("nfs", "nightly", disks, vms)])
