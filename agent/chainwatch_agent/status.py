"""The heartbeat: the host and what SM shows of itself at one moment."""

from typing import Dict, List, Optional

from chainwatch.v1 import evidence_pb2

from chainwatch_agent.host_facts import HostFacts, host_message, read_host_facts, utc_offset_seconds
from chainwatch_agent.locks import SmLock, SmLocks
from chainwatch_agent.mounts import read_mounts
from chainwatch_agent.processes import ProcFs
from chainwatch_agent.sr_runtime import read_sr_runtimes

# Limits of the contract (proto/README.md 6.6).
_MOST_ENTRIES = 1024
_MOST_COUNTERS = 256
_MOST_PROBLEMS = 256
_MOST_PROBLEM_CHARACTERS = 4096
# Hostname, versions and the like cost more to read than all the rest and hardly ever change.
_FACTS_US = 600 * 1000 * 1000


class StatusReader:
    """Reads everything that a `Status` has besides logs and counters, which the core hands in."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._proc = ProcFs(root)
        self._locks = SmLocks(self._proc)
        self._facts: Optional[HostFacts] = None
        self._facts_at_us = 0

    def read(
        self,
        now_us: int,
        counters: Dict[str, float],
        logs: "List[evidence_pb2.LogFile]",
        problems: List[str],
    ) -> "evidence_pb2.Status":
        """The whole message but `agent_epoch`, `seq` and `dropped_total`. What is missing in dom0 is left out."""
        status = evidence_pb2.Status(
            at_us=now_us,
            host=host_message(self._root, self._host_facts(now_us)),
            gc_locks=self._lock_messages(),
            srs=read_sr_runtimes(self._root),
            mounts=read_mounts(self._root)[:_MOST_ENTRIES],
            logs=logs,
            problems=[problem[:_MOST_PROBLEM_CHARACTERS] for problem in problems[:_MOST_PROBLEMS]],
        )
        for name in sorted(counters)[:_MOST_COUNTERS]:
            status.counters[name] = float(counters[name])
        return status

    def _host_facts(self, now_us: int) -> HostFacts:
        facts = self._facts
        if facts is None or abs(now_us - self._facts_at_us) >= _FACTS_US:
            facts = read_host_facts(self._root)
            self._facts_at_us = now_us
        self._facts = facts._replace(utc_offset_seconds=utc_offset_seconds())
        return self._facts

    def _lock_messages(self) -> "List[evidence_pb2.GcLock]":
        return [
            evidence_pb2.GcLock(
                sr_uuid=lock.uuid,
                lock=lock.lock,
                pid=lock.pid,
                start_ticks=self._start_ticks(lock),
                waiting=lock.waiting,
            )
            for lock in self._locks.read()[:_MOST_ENTRIES]
            if lock.lock != "vdi"  # a VDI's own lock: its uuid is no SR's
        ]

    def _start_ticks(self, lock: SmLock) -> int:
        try:
            return self._proc.stat(lock.pid).start_ticks
        except (OSError, ValueError, IndexError):
            return 0  # gone meanwhile
