"""What all streams of one collector share: the writer, the limits, the counters, the listener, the byte budget."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from chainwatch_collector.keep.faults import FaultRow, keep_fault
from chainwatch_collector.keep.intake import PolicyIn
from chainwatch_collector.keep.streams import policy_row
from chainwatch_collector.keep.writer import Priority, Writer, WriterBusyError, WriterClosedError
from chainwatch_collector.receive.counters import IngestCounters
from chainwatch_collector.receive.evidence_requests import EvidenceRequests
from chainwatch_collector.receive.faults import RUN_SECONDS, Fault, Faults
from chainwatch_collector.receive.limits import IngestLimits
from chainwatch_collector.receive.pace import Paces
from chainwatch_collector.track.observations import DuplicateRefused, Observation

LOG = logging.getLogger(__name__)


class IngestListener(Protocol):
    """Told of what was committed, in the event loop's thread; must return at once."""

    def evidence_committed(self, host_id: int, host_uuid: str) -> None:
        """New lines, coverage or gaps of a host are readable."""
        ...

    def observed(self, observation: Observation) -> None:
        """A Status or Samples message was kept."""
        ...

    def stream_changed(self, host_uuid: str, connected: bool) -> None:
        """A host's stream opened or ended."""
        ...

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None:
        """A second dom0 came with a connected host's certificate and was sent away."""
        ...


class NoListener:
    """For a collector that only stores."""

    def evidence_committed(self, host_id: int, host_uuid: str) -> None: ...

    def observed(self, observation: Observation) -> None: ...

    def stream_changed(self, host_uuid: str, connected: bool) -> None: ...

    def duplicate_refused(self, duplicate: DuplicateRefused) -> None: ...


class Budget:
    """Bytes that all streams together hold uncommitted. Over the bound nobody reads on; nothing is lost by waiting."""

    def __init__(self, bound_bytes: int) -> None:
        self._bound = bound_bytes
        self._held = 0
        self._free = asyncio.Event()
        self._free.set()

    @property
    def held_bytes(self) -> int:
        """Uncommitted now."""
        return self._held

    def take(self, size: int) -> None:
        """Count bytes that were just read."""
        self._held += size
        if self._held > self._bound:
            self._free.clear()

    def give_back(self, size: int) -> None:
        """They were committed, or their stream is gone."""
        self._held -= size
        if self._held <= self._bound:
            self._free.set()

    async def wait(self) -> None:
        """Until there is room."""
        if self._held > self._bound:
            await self._free.wait()


def clock_us() -> int:
    """The collector's clock in microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass
class Shared:
    """Made once per service, inside the event loop."""

    writer: Writer
    limits: IngestLimits
    listener: IngestListener
    now_us: Callable[[], int] = clock_us
    counters: IngestCounters = field(default_factory=IngestCounters)
    evidence: EvidenceRequests = field(default_factory=EvidenceRequests)
    budget: Budget = field(init=False)
    paces: Paces = field(init=False)
    faults: Faults = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        self.budget = Budget(limits.pending_bytes)
        self.paces = Paces(limits.points_per_second, limits.points_burst, limits.max_streams)
        self.faults = Faults(self._keep_fault, limits.fault_wait_seconds, limits.max_streams)

    def _keep_fault(self, fault: Fault) -> None:
        """In the log, and in the database for whoever judges the host."""
        if not fault.slowed:
            LOG.warning("host %s at %s: %d streams ended: %s", fault.host_uuid, fault.peer, fault.times, fault.text)
        now = self.now_us()
        row = FaultRow(fault.host_uuid, now, now, fault.times, fault.slowed, fault.text, fault.peer)
        with contextlib.suppress(WriterClosedError, WriterBusyError):
            self.writer.submit(lambda c: keep_fault(c, row, RUN_SECONDS), priority=Priority.EVIDENCE)

    async def store_policy(self, policy: PolicyIn) -> int:
        """The row of a policy, durable before an agent may name it."""
        now = self.now_us()
        future = self.writer.submit(lambda c: policy_row(c, policy, now), priority=Priority.EVIDENCE)
        return await asyncio.wrap_future(future)
