"""One run of the garbage collector of SM 3.2.12 on a file SR, as it logs itself.

Every line shape is in the real logs that the grammar was proved on; `test_dom0.py` compares them where those are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.dom0 import gc_faults
from lab.dom0.images import BLOCK_BYTES, Image, Images, num2str, vhd_blocks
from lab.dom0.steps import Merged, Refused, Run, Say, Step, Wait


@dataclass
class Collection:
    """A run with its own pid. `bytes_per_second` says how long a copy takes; what follows goes wrong where it is set.

    `children_from`: the pid behind which its children's are; `undoes`: uuid of a leaf whose merge another run left half
    done; `unreachable_host`: reference of a pool member.
    """

    images: Images
    pid: int
    host_ref: str = "OpaqueRef:6f8f4664-a12f-971e-a1b2-bbabb74e511b"
    bytes_per_second: float = 100e6
    leaf_coalesce: bool = True
    disabled: bool = False
    crash: bool = False
    killed_in_copy: bool = False
    stalls_in_copy: bool = False
    no_space_in_copy: bool = False
    guest_writes: bool = False
    unreachable_host: str = ""
    several_hosts: bool = False
    undoes: str = ""
    children_from: int = 0

    def __post_init__(self) -> None:
        self._next_pid = self.children_from or self.pid + 3
        self._failed: set[str] = set()
        self._no_space = False
        self._over = False

    # --- words ------------------------------------------------------------------------------------------------

    def gc(self, *texts: str) -> Iterator[Step]:
        for text in texts:
            yield Say("SMGC", self.pid, text)

    def sm(self, *texts: str, pid: int | None = None) -> Iterator[Step]:
        for text in texts:
            yield Say("SM", pid or self.pid, text)

    def command(self, *argv: str, pid: int | None = None) -> Iterator[Step]:
        """A command that SM runs and that succeeds."""
        yield from self.sm(str(list(argv)), "  pread SUCCESS", pid=pid)

    def lock(self, name: str, word: str) -> Iterator[Step]:
        path = f"/var/lock/sm/{self.images.sr_uuid}/{name}"
        texts = {
            "opening": f"lock: opening lock file {path}",
            "acquired": f"lock: acquired {path}",
            "tried": f"lock: tried lock {path}, acquired: True (exists: True)",
            "released": f"lock: released {path}",
            "closed": f"lock: closed {path}",
        }
        yield from self.sm(texts[word])

    def child_pid(self) -> int:
        self._next_pid += 2
        return self._next_pid

    # --- the run ----------------------------------------------------------------------------------------------

    def steps(self) -> Iterator[Step]:
        """The whole run."""
        yield from self.gc(f"=== SR {self.images.sr_uuid}: gc ===")
        for name in ("running", "gc_active", "sr"):
            yield from self.lock(name, "opening")
        if self.disabled:
            yield from self.gc("GC is disabled for this SR, abort")
            yield from self.close()
            return
        yield from self.begin()
        if not self.crash:
            yield from self.work()
            if self._over:
                return
            yield from self.gc("No work, exiting")
        yield from self.end()

    def begin(self) -> Iterator[Step]:
        yield from self.lock("sr", "acquired")
        yield from self.lock("gc_active", "tried")
        yield from self.lock("sr", "released")
        yield from self.gc("Found 0 cache files")
        yield from self.scan()
        yield from self.gc(*self.images.dump())
        if self.undoes:
            leaf = self.images.by_uuid[self.undoes]
            yield from gc_faults.undo(self, leaf, self.images.by_uuid[leaf.parent or ""])
        yield from self.lock("sr", "released")
        yield from self.lock("running", "tried")
        for image in self.images.by_uuid.values():
            if self.images.children(image.uuid):
                yield from self.measure(image)

    def scan(self) -> Iterator[Step]:
        yield from self.lock("sr", "tried")
        yield from self.command(
            "/usr/bin/vhd-util", "scan", "-f", "-m", f"/var/run/sr-mount/{self.images.sr_uuid}/*.vhd"
        )

    def measure(self, image: Image) -> Iterator[Step]:
        config = f"{{'vhd-parent': '{image.parent}'}}" if image.parent else "{}"
        yield from self.gc(f"Got sm-config for {image}: {config}")
        yield from self.command("/usr/bin/vhd-util", "read", "--debug", "-B", "-n", self.images.path(image))
        yield from self.gc(f"Set vhd-blocks = {vhd_blocks(image)} for {image}")

    def work(self) -> Iterator[Step]:
        while child := self.images.inner_candidate(frozenset(self._failed)):
            yield from self.merge(child, leaf=False)
            if self._over:
                return
        if not self.leaf_coalesce:
            yield from self.gc("Leaf-coalesce disabled for this SR")
            return
        while child := self.images.leaf_candidate(frozenset(self._failed)):
            yield from self.merge(child, leaf=True)
            if self._over:
                return

    def end(self) -> Iterator[Step]:
        yield from self.gc("GC process exiting, no work left")
        yield from self.lock("gc_active", "released")
        yield from self.gc("In cleanup", self.images.header("no changes"))
        if self._no_space:
            yield from self.sm(f"Could not coalesce due to a lack of space in SR {self.images.sr_uuid}")
            yield Refused(self.images.sr_uuid)
        yield from self.close()

    def close(self) -> Iterator[Step]:
        for name in ("running", "gc_active", "sr"):
            yield from self.lock(name, "closed")

    def dies(self, fault: Iterator[Step]) -> Iterator[Step]:
        """Nothing of the run comes after the fault but its locks."""
        self._over = True
        yield from fault
        yield from self.close()

    # --- a merge ----------------------------------------------------------------------------------------------

    def merge(self, child: Image, leaf: bool) -> Iterator[Step]:
        parent = self.images.by_uuid[child.parent or ""]
        merged = len(child.blocks | parent.blocks)
        need = merged * BLOCK_BYTES - parent.physical_bytes
        if not leaf:
            yield from self.gc(f"{child.uuid} is coalescable")
            yield from self.gc(f"Num combined blocks = {merged}", f"Coalesced size = {num2str(merged * BLOCK_BYTES)}")
        if need > self.images.free_bytes:
            yield from self.refuse(child, leaf)
            return
        yield from self.announce(child, parent, leaf)
        if self.several_hosts:
            yield from self.dies(gc_faults.several_hosts(self))
            return
        for image in (child, parent):
            yield from self.check(image, whole=image is child and not leaf)
            if image.fails_check:
                yield from self.fail(child, image)
                return
        if leaf and self.guest_writes:
            self._failed.add(child.uuid)
            yield from gc_faults.guest_outruns(self, child)
            yield from self.update()
            return
        yield from self.copy(child)
        if self._over:
            return
        if self.no_space_in_copy:
            self._failed.add(child.uuid)
            yield from self.update()
            return
        yield from self.check(parent, whole=False)
        yield from (self.finish_leaf if leaf else self.finish_inner)(child, parent)
        if self._over:
            return
        self.images.free_bytes -= max(0, need)
        yield from self.update()

    def announce(self, child: Image, parent: Image, leaf: bool) -> Iterator[Step]:
        if leaf:
            yield from self.gc(f"Leaf-coalesce candidate: {child}", f"Leaf-coalescing {child} -> {parent}")
            yield from self.sm(f"Pause request for {child.uuid}")
        else:
            height = self.images.height(self.images.root_of(child))
            yield from self.gc(f"Coalesce candidate: {child} (tree height {height})", f"Coalescing {child} -> {parent}")

    def refuse(self, child: Image, leaf: bool) -> Iterator[Step]:
        self._failed.add(child.uuid)
        self._no_space = True
        if leaf:
            yield from self.command("/usr/bin/vhd-util", "query", "--debug", "-a", "-n", self.images.path(child))
            child.queried = True
        yield from self.gc(
            f"No space to {'leaf-' if leaf else ''}coalesce {child} (free space: {self.images.free_bytes})"
        )

    def check(self, image: Image, whole: bool) -> Iterator[Step]:
        argv = ["/usr/bin/vhd-util", "check", "--debug", "-n", self.images.path(image), *([] if whole else ["-B"])]
        if not image.fails_check:
            yield from self.command(*argv)
            return
        yield from self.sm(str(argv))
        yield from gc_faults.check_failed(self, image)

    def fail(self, child: Image, corrupt: Image) -> Iterator[Step]:
        self._failed.add(child.uuid)
        yield from gc_faults.corrupted(self, corrupt)
        yield from self.update()

    def copy(self, child: Image) -> Iterator[Step]:
        pid = self.child_pid()
        yield from self.copy_begins(child, pid)
        if self.killed_in_copy:
            self._over = True
            return
        if self.no_space_in_copy:
            yield from gc_faults.disk_full(self, child, pid)
            return
        yield from self.copy_ends(pid)

    def copy_data(self, image: Image) -> Iterator[Step]:
        """A copy that goes well."""
        pid = self.child_pid()
        yield from self.copy_begins(image, pid)
        yield from self.copy_ends(pid)

    def copy_begins(self, child: Image, pid: int) -> Iterator[Step]:
        yield from self.gc(f"  Running VHD coalesce on {child}")
        path = self.images.path(child)
        yield from self.command("/usr/bin/vhd-util", "query", "--debug", "-a", "-n", path, pid=pid)
        argv = ("/usr/bin/vhd-util", "coalesce", "--debug", "-n", path)
        yield from self.sm(str(list(argv)), pid=pid)
        size = len(child.blocks) * BLOCK_BYTES
        yield Run(pid, argv, size / self.bytes_per_second, size, self.stalls_in_copy)

    def copy_ends(self, pid: int) -> Iterator[Step]:
        yield from self.sm("  pread SUCCESS", pid=pid)
        speed_log = f"/var/run/{self.images.sr_uuid}.speed_log"
        yield Say("SMGC", pid, f"Writing to file: {speed_log}")
        yield Say("SMGC", pid, f"Closing file: {speed_log}")
        yield from self.sm(f"IPCFlag: set {self.images.sr_uuid}:success", pid=pid)
        yield Wait(1)
        yield from self.gc("  Child process completed successfully")
        yield from self.sm(f"IPCFlag: clear {self.images.sr_uuid}:success")

    def finish_inner(self, child: Image, parent: Image) -> Iterator[Step]:
        parent.blocks |= child.blocks
        for below in self.images.children(child.uuid):
            yield from self.gc(f"  Relinking {below} from {child} to {parent}")
            path = self.images.path
            yield from self.command("/usr/bin/vhd-util", "modify", "--debug", "-p", path(parent), "-n", path(below))
            below.parent = parent.uuid
            yield from self.gc(f"Set vhd-parent = {parent.uuid} for {below}", f"  Reloading VDI {below}")
        del self.images.by_uuid[child.uuid]
        yield Merged("inner", self.images.sr_uuid, child.uuid, parent.uuid)
        yield from self.gc(*self.images.dump([self.images.root_of(parent)]))
        if self.unreachable_host:
            yield from self.dies(gc_faults.host_does_not_answer(self, self.unreachable_host, child))

    def finish_leaf(self, child: Image, parent: Image) -> Iterator[Step]:
        old = self.images.path(child).replace(child.uuid, f"OLD_{child.uuid}")
        yield from self.gc(
            f"Renaming {self.images.path(child)} -> {old}",
            f"Renaming {self.images.path(parent)} -> {self.images.path(child)}",
        )
        child.blocks |= parent.blocks
        child.parent = parent.parent
        del self.images.by_uuid[parent.uuid]
        yield Merged("leaf", self.images.sr_uuid, child.uuid, parent.uuid)
        yield from self.gc(f"Unpausing VDI {child}")
        yield from self.sm(f"Unpause request for {child.uuid} secondary=None")
        yield from self.gc("In cleanup", *self.images.dump([self.images.root_of(child)], (parent.uuid,)))
        yield from self.gc(f"Removed leaf-coalesce from {child}")

    def update(self) -> Iterator[Step]:
        yield from self.gc("In cleanup", f"Starting asynch srUpdate for SR {self.images.sr_uuid}")
        yield Wait(1)
        yield from self.gc("SR.update_asynch status changed to [success]")
        yield from self.scan()
        yield from self.gc(self.images.header("no changes"))


def kick(sr_uuid: str, pid: int) -> Iterator[Step]:
    """What a driver says when it has the GC started (SM 3.2.12 `cleanup.py`, G2)."""
    yield Say("SM", pid, "Kicking GC")
    yield Say("SM", pid, f"Kicking SMGC@{sr_uuid}...")
