"""A garbage collection of an SR as XenAPI shows it: its task, the merges, messages when it cannot (cleanup.py)."""

import time

from lab.xapi.storage_manager import StorageManager
from lab.xapi.values import NULL

TASK_NAME = "Garbage Collection"


class Collection:
    """One run on one SR, step by step: `start`, `step` until it returns an empty string, `finish`."""

    def __init__(self, manager: StorageManager, sr: str) -> None:
        self.manager = manager
        self.database = manager.database
        self.estate = manager.disks.estate
        self.sr = sr
        self.task = NULL
        self.done = 0

    def start(self) -> bool:
        """Garbage goes, bitmaps are written; a task appears if there is work. Whether there is."""
        self.manager.disks.refresh_sr(self.sr)
        self.manager.delete_garbage(self.sr)
        self.manager.disks.publish_blocks(self.sr)
        if not self._coalescable():
            return False
        uuid = self.database.get("SR", self.sr)["uuid"]
        self.task = self.estate.begin_task(TASK_NAME, self.sr, f"Garbage collection for SR {uuid}")
        return True

    def step(self) -> str:
        """One merge, inner ones first; what was merged, empty when nothing is left."""
        for merge, pending in (
            (self.manager.coalesce_inner, self.manager.pending_inner(self.sr)),
            (self.manager.coalesce_leaf, self.manager.pending_leaf(self.sr)),
        ):
            if pending:
                merge(pending[0])
                self._progress()
                return pending[0]
        return ""

    def finish(self, status: str = "success") -> None:
        """The task ends; xapi's database GC takes it within 30 s (`reap`)."""
        if self.task != NULL:
            self.estate.end_task(self.task, status)

    def reap(self) -> None:
        """The finished task disappears."""
        if self.task != NULL:
            self.database.destroy("task", self.task)
            self.task = NULL

    def no_space(self, candidates: list[str]) -> str:
        """A merge was refused for lack of space: message, SR and candidates marked; the message's reference."""
        record = self.database.get("SR", self.sr)
        old = record["sm_config"].get("gc_no_space")
        if old in self.estate.messages.rows:
            return str(old)
        body = f"Unable to perform data coalesce due to a lack of space in SR {record['uuid']}"
        ref = self.estate.messages.create("SM_GC_NO_SPACE", 3, "SR", record["uuid"], body)
        self.database.put("SR", self.sr, "sm_config", {"gc_no_space": ref})
        for uuid in candidates:
            self.database.put("VDI", self.manager.disks.ref(uuid), "sm_config", {"gc_no_space": ref})
        return ref

    def space_again(self) -> None:
        """The next run had room: the message goes; the keys that name it stay, as SM leaves them."""
        ref = self.database.get("SR", self.sr)["sm_config"].get("gc_no_space")
        if ref in self.estate.messages.rows:
            self.estate.messages.destroy(ref)

    def coalesce_error(self, name: str = "No space left on device") -> str:
        """A merge died of a disk error: the message is named by it, the SR has the time of it."""
        record = self.database.get("SR", self.sr)
        body = "Run out of space while coalescing." if name.startswith("No space") else "I/O error while coalescing."
        self.database.put("SR", self.sr, "sm_config", {"last-coalesce-error": str(int(time.time()))})
        return self.estate.messages.create(name, 3, "SR", record["uuid"], body)

    def _coalescable(self) -> int:
        return len(self.manager.pending_inner(self.sr)) + len(self.manager.pending_leaf(self.sr))

    def _progress(self) -> None:
        self.done += 1
        if self.task != NULL:
            self.database.set("task", self.task, progress=self.done / (self.done + self._coalescable()))
