"""The two fixed inputs of the selection benchmark: the same bytes for the same size, whoever makes them.

*noisy*: a quiet pool's SMlog, 97 % of the lines from SM's drivers, 0.6 % of all lines tell of something. *dense*: a GC
at work, 65 % of the lines SMGC. Formats are SM's own (util.SMlog, lock.py, refcounter.py, lvmcache.py, blktap2.py,
cleanup.py). `python smlogs.py noisy|dense MEGABYTES FILE` writes one.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

HOST = "xcp-lab1"
SRS = [f"{0x0A1B2C3D + n:08x}-51a0-4b7e-9c3d-{0x1000 + n:012x}" for n in range(4)]
VDIS = [f"{0x10000000 + n * 7919:08x}-0000-4000-8000-{n:012x}" for n in range(400)]

# What SM's drivers print all day, and says nothing of a coalesce.
_NOISE = [
    "lock: opening lock file /var/lock/sm/{sr}/sr",
    "lock: acquired /var/lock/sm/{sr}/sr",
    "lock: released /var/lock/sm/{sr}/sr",
    "lock: closed /var/lock/sm/{sr}/sr",
    "lock: tried lock /var/lock/sm/{sr}/sr, acquired: True (exists: True)",
    "['/sbin/vgs', '--noheadings', '--nosuffix', '--units', 'b', 'VG_XenStorage-{sr}']",
    "['/sbin/lvs', '--noheadings', '--units', 'b', '-o', '+lv_tags', '/dev/VG_XenStorage-{sr}']",
    "['/usr/bin/vhd-util', 'query', '--debug', '-vsf', '-n', '/dev/VG_XenStorage-{sr}/VHD-{vdi}']",
    "['/usr/bin/vhd-util', 'scan', '-f', '-m', '/var/run/sr-mount/{sr}/*.vhd']",
    "['/usr/sbin/td-util', 'query', 'vhd', '-vpfb', '/var/run/sr-mount/{sr}/{vdi}.vhd']",
    "  pread SUCCESS",
    "  pread SUCCESS",
    "  pread SUCCESS",
    "Refcount for lvm-{sr}:{vdi} (1, 0) + (1, 0) => (2, 0)",
    "Refcount for lvm-{sr}:{vdi} set => (2, 0b)",
    "LVMCache created for VG_XenStorage-{sr}",
    "LVMCache: will initialize now",
    "Entering _checkMetadataVolume",
    "tap-ctl: found 17 tapdisks, minor {n} of vhd:/dev/sm/backend/{sr}/{vdi}",
    "linkLeaf: /dev/sm/phy/{sr}/{vdi} is there, nothing to do",
]
# One line each that an operator's answer may need.
_EVENTS = [
    "Kicking SMGC@{sr}...",
    "Raising exception [46, The VDI is not available [opterr=VDI {vdi} not detached cleanly]]",
    "FAILED in util.pread: (rc 5) stdout: '', stderr: 'Device read short: Input/output error'",
    "Pause request for {vdi}",
    "Unpause request for {vdi} secondary=None",
    "***** Long LVM call of 'lvchange' took 12.4",
    "Failed to lock /var/lock/sm/{sr}/sr on first attempt, blocked by PID {n}",
]
_GC = [
    "{vdi} is coalescable",
    "Num combined blocks = {n}",
    "Coalesced size = 4.153G",
    "Coalesce candidate: *{vdi8}(8.000G/1001.973M?) (tree height 5)",
    "Got sm-config for *{vdi8}(8.000G/1001.973M?): {{'vhd-parent': '{vdi}', 'vhd-blocks': 'eJz7/38"
    "VJQ0MjAQCBhbm9vfz8/v7+/v7////8f//3//v7////+/v///3/AQMDAQAMDAwMHwcCAgK='}}",
    "SR {sr4} ('Local storage') (32 VDIs in 3 VHD trees): no changes",
    "        *{vdi8}(8.000G/1.174G?)",
    "            *{vdi8}(8.000G/1.174G?)",
    "                {vdi8}(8.000G/12.500K?)",
    "Coalescing *{vdi8}(8.000G/1001.973M?) -> *{vdi8}(8.000G/1.174G?)",
    "  Running VHD coalesce on *{vdi8}(8.000G/1001.973M?)",
    "  Child process completed successfully",
    "Set vhd-blocks = eJz7///3DgYgaGBABQ0M6vgDgQMDAwMHwcCAgKWAgIGBgYCAgYGBgQEBAQAAXx9r for {vdi}(8.000G/1.174G?)",
]


def lines(kind: str, seed: int = 1) -> Iterator[bytes]:
    """Endless."""
    chance = random.Random(seed)
    gc_share, event_share = (0.024, 0.006) if kind == "noisy" else (0.65, 0.02)
    second = 0
    while True:
        second += chance.random() < 0.04
        roll = chance.random()
        ident, texts = ("SMGC", _GC) if roll < gc_share else ("SM", _NOISE)
        if gc_share <= roll < gc_share + event_share:
            texts = _EVENTS
        yield _line(chance, second, ident, texts)


def _line(chance: random.Random, second: int, ident: str, texts: list[str]) -> bytes:
    sr, vdi = chance.choice(SRS), chance.choice(VDIS)
    text = chance.choice(texts).format(sr=sr, sr4=sr[:4], vdi=vdi, vdi8=vdi[:8], n=chance.randrange(1, 32768))
    stamp = f"Nov {1 + second // 86400 % 28:2d} {second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return f"{stamp} {HOST} {ident}: [{chance.randrange(1000, 32768)}] {text}\n".encode()


def write(kind: str, size_bytes: int, path: str) -> None:
    """A file of whole lines of about that size."""
    written = 0
    with Path(path).open("wb") as stream:
        for line in lines(kind):
            stream.write(line)
            written += len(line)
            if written >= size_bytes:
                return


if __name__ == "__main__":
    write(sys.argv[1], int(float(sys.argv[2]) * 1e6), sys.argv[3])
