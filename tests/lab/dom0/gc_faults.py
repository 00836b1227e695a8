"""What goes wrong in a run of the garbage collector, as SM 3.2.12 logs it; a `Collection` asks for it where it happens.

Wordings that no real log here has are listed with the SM file that prints them in `test_dom0.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Protocol

from lab.dom0.images import Image, Images
from lab.dom0.steps import Say, Step, Wait

FRAME = "*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*~*"
STARS = "         ***********************"
SM_DIRECTORY = "/opt/xensource/sm"
Frame = tuple[int, str, str]
VALIDATE: tuple[Frame, ...] = (
    (2212, "coalesce", "self._coalesce(vdi)"),
    (2402, "_coalesce", "vdi._doCoalesce()"),
    (836, "_doCoalesce", "self.validate()"),
    (819, "validate", 'raise util.SMException("VHD %s corrupted" % self)'),
)
CHILD: tuple[Frame, ...] = (
    (219, "runAbortable", "if func() == ret:"),
    (934, "_doCoalesceVHD", "raise ce"),
    (922, "_doCoalesceVHD", "coalesced_size = vdi.coalesce()"),
    (915, "coalesce", "return vhdutil.coalesce(self.path) * 512"),
)
PARENT: tuple[Frame, ...] = (
    (2212, "coalesce", "self._coalesce(vdi)"),
    (2402, "_coalesce", "vdi._doCoalesce()"),
    (840, "_doCoalesce", "self._coalesceVHD(0)"),
    (195, "runAbortable", 'raise util.SMException("Child process exited with error")'),
)
LEAF: tuple[Frame, ...] = (
    (2233, "coalesceLeaf", "self._coalesceLeaf(vdi)"),
    (2539, "_coalesceLeaf", ".format(uuid=vdi.uuid))"),
)
GC: tuple[Frame, ...] = (
    (4004, "gc", "_gc(None, srUuid, dryRun)"),
    (3860, "_gc", "_gcLoop(sr, dryRun, immediate=immediate)"),
)


class Run(Protocol):
    """What the faults need of a `Collection`."""

    images: Images
    pid: int

    def gc(self, *texts: str) -> Iterator[Step]: ...
    def sm(self, *texts: str, pid: int | None = None) -> Iterator[Step]: ...
    def command(self, *argv: str, pid: int | None = None) -> Iterator[Step]: ...
    def scan(self) -> Iterator[Step]: ...
    def copy_data(self, image: Image) -> Iterator[Step]: ...


def banner(pid: int, tag: str, cls: str, message: str, frames: Iterable[Frame]) -> Iterator[Step]:
    """An exception block of SMGC, a line each."""
    head = (FRAME, STARS, "         *  E X C E P T I O N  *", STARS, f"{tag}: EXCEPTION <class '{cls}'>, {message}")
    for text in (*head, *_traceback(frames), "", FRAME):
        yield Say("SMGC", pid, text)


def _traceback(frames: Iterable[Frame]) -> Iterator[str]:
    for line, function, code in frames:
        yield f'  File "{SM_DIRECTORY}/cleanup.py", line {line}, in {function}'
        yield f"    {code}"


def check_failed(run: Run, image: Image) -> Iterator[Step]:
    """What `vhd-util check` says of an image whose footer was lost, and of one with crossed blocks."""
    said = (
        "primary footer invalid: invalid cookie\n"
        if image.footer_lost
        else "block 3 (offset 0x302f) clobbers block 4 (offset 0x302f)\n"
    )
    dump = (
        f"{run.images.path(image)} appears invalid; dumping metadata\n"
        "VHD Footer Summary:\n-------------------\nCookie              : conectix\n"
    )
    yield from run.sm(f"FAILED in util.pread: (rc 22) stdout: '{said}{dump}', stderr: ''")


def corrupted(run: Run, image: Image) -> Iterator[Step]:
    """C41, and the merge is given up."""
    yield from banner(run.pid, "coalesce", "util.SMException", f"VHD {image} corrupted", VALIDATE)
    yield from run.gc("Coalesce failed, skipping")


def disk_full(run: Run, child: Image, pid: int) -> Iterator[Step]:
    """ENOSPC in mid-copy: the child says why (C26, C21), the run repairs the parent (C27) and says that it failed."""
    sr = run.images.sr_uuid
    yield from run.sm("FAILED in util.pread: (rc 28) stdout: 'error coalescing: -28\n', stderr: ''", pid=pid)
    words = "No space left on device"
    yield from run.sm(f"Coalesce failed on SR {sr}: {words} (Run out of space while coalescing.)", pid=pid)
    yield Say("SMGC", pid, f"Child process failed with : ({words})")
    yield from run.sm(f"IPCFlag: set {sr}:failure", pid=pid)
    yield from banner(pid, "This exception has occured", "util.CommandException", words, CHILD)
    yield from run.sm(f"IPCFlag: clear {sr}:failure")
    yield from run.command("/usr/bin/vhd-util", "query", "--debug", "-p", "-n", run.images.path(child))
    parent = run.images.path(run.images.by_uuid[child.parent or ""])
    yield from run.sm(f"Coalesce failed on {child.uuid}, attempting repair on parent {parent}")
    yield from run.command("/usr/bin/vhd-util", "repair", "-n", parent)
    yield from banner(run.pid, "coalesce", "util.SMException", "Child process exited with error", PARENT)
    yield from run.gc("Coalesce failed, skipping")


def guest_outruns(run: Run, leaf: Image, rounds: int = 4) -> Iterator[Step]:
    """The guest writes faster than snapshot and merge: SM gives up after its sizes only grow (L9 to L26)."""
    size = leaf.physical_bytes
    for attempt in range(rounds):
        yield from _round(run, leaf)
        if attempt:
            yield from run.gc(f"No progress, attempt: {attempt}")
    yield from run.gc("Aborted coalesce")
    sizes = [size + number * (20 << 20) for number in range(rounds + 1)]
    for number, (first, last) in enumerate(pairwise(sizes), 1):
        yield from run.gc(f"Iteration: {number} -- Initial size {first} --> Final size {last}")
    yield from run.gc("Unexpected bump in size, compared to minimum achieved")
    yield from run.gc(f"Starting size was         {size}", f"Final size was            {sizes[-1]}")
    yield from run.gc(f"Minimum size achieved was {size}", f"Removed leaf-coalesce from {leaf}")
    yield from banner(run.pid, "leaf-coalesce", "util.SMException", f"VDI {leaf.uuid} could not be coalesced", LEAF)
    yield from run.gc(f"Leaf-coalesce failed on {leaf}, skipping")


def _round(run: Run, leaf: Image) -> Iterator[Step]:
    """One internal snapshot, merged into the parent; the leaf's uuid stays throughout."""
    yield from run.command("/usr/bin/vhd-util", "query", "--debug", "-a", "-n", run.images.path(leaf))
    leaf.queried = True
    yield from run.gc(f"Single-snapshotting {leaf}")
    leaf.queried = False
    yield Wait(0.3)
    yield from run.gc("Single-snapshot returned: OpaqueRef:03e64999-abd2-a003-e463-4cc6ac121c9a")
    yield from run.scan()
    yield from run.gc(f"Coalescing parent *{leaf.uuid[::-1][:8]}({str(leaf).partition('(')[2]}")
    yield from run.copy_data(leaf)


def host_does_not_answer(run: Run, host_ref: str, image: Image) -> Iterator[Step]:
    """T17: the pool member that is asked before an image is unlinked cannot be reached, and the run ends over it."""
    call = (host_ref, "nfs-on-slave", "check", {"path": run.images.path(image)})
    yield from run.gc(f"Checking with slave: {call!r}")
    yield Wait(1)
    yield from dies(run, "XenAPI.Failure", str(["HOST_OFFLINE", host_ref]))


def several_hosts(run: Run) -> Iterator[Step]:
    """C15: raised as a plain Exception, so it ends the run of the whole SR."""
    words = "Not coalesceable, chain activated more than once"
    yield from run.gc(words)
    yield from dies(run, "Exception", words)


def dies(run: Run, cls: str, message: str) -> Iterator[Step]:
    """An exception that nothing catches, in the mode that shows it (G19)."""
    yield from run.gc("GC process exiting, no work left", "In cleanup", run.images.header("no changes"))
    yield from banner(run.pid, "gc", cls, message, GC)
    yield from run.gc(f"* * * * * SR {run.images.sr_uuid}: ERROR", "")


def undo(run: Run, leaf: Image, parent: Image) -> Iterator[Step]:
    """The journal of a leaf merge that another run left: the renames are taken back (L33 to L35)."""
    path = run.images.path
    old = path(leaf).replace(leaf.uuid, f"OLD_{leaf.uuid}")
    yield from run.gc(
        "*** UNDO LEAF-COALESCE", f"Renaming child back to {leaf.uuid}", f"Renaming {old} -> {path(leaf)}"
    )
    yield from run.gc("Updating the VDI record", f"Set vhd-parent = {parent.uuid} for {leaf}")
    yield from run.gc(f"Set vdi_type = vhd for {leaf}")
    yield from run.command("/usr/bin/vhd-util", "set", "--debug", "-n", path(parent), "-f", "hidden", "-v", "1")
    yield from run.gc("*** leaf-coalesce undo successful", f"Unpausing VDI {leaf}")
    yield from run.sm(f"Unpause request for {leaf.uuid} secondary=None")
