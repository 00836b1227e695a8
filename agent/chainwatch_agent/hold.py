"""What is sent and not acknowledged: the window of spans, and the ring of observations. Bounded whatever happens."""

from collections import OrderedDict, deque
from typing import Deque, Dict, List, NamedTuple, Optional, Union

from chainwatch.v1 import evidence_pb2, ingest_service_pb2

from chainwatch_agent.identity import FileId

Observation = Union[evidence_pb2.Samples, evidence_pb2.Status]


class _Sent(NamedTuple):
    to_offset: int
    size: int


class Window:
    """Bytes of slice data on their way. One span may exceed an empty window (proto/README.md 6.1)."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.in_flight_bytes = 0
        self._sent: Dict[FileId, Deque[_Sent]] = {}

    def room_for(self, size: int) -> bool:
        """Whether a span with `size` bytes of slices may be sent now."""
        return self.in_flight_bytes == 0 or self.in_flight_bytes + size <= self.limit_bytes

    @property
    def empty(self) -> bool:
        """Whether nothing waits for an acknowledgement."""
        return not self._sent

    def sent(self, file: FileId, to_offset: int, size: int) -> None:
        """A span went out."""
        self._sent.setdefault(file, deque()).append(_Sent(to_offset, size))
        self.in_flight_bytes += size

    def acked(self, file: FileId, to_offset: int) -> int:
        """How many spans an Ack settles."""
        spans, count = self._sent.get(file), 0
        while spans and spans[0].to_offset <= to_offset:
            self.in_flight_bytes -= spans.popleft().size
            count += 1
        if spans is not None and not spans:
            del self._sent[file]
        return count

    def forget(self, file: Optional[FileId] = None) -> None:
        """No Ack will come for this file's spans, or for any."""
        for key in [file] if file is not None else list(self._sent):
            for span in self._sent.pop(key, ()):
                self.in_flight_bytes -= span.size


class Ring:
    """Samples and status reports until they are acknowledged, the newest `size` of them. `dropped` counts the rest."""

    def __init__(self, agent_epoch: int, size: int) -> None:
        self.agent_epoch = agent_epoch
        self.dropped = 0
        self._size = size
        self._seq = 0
        self._kept: "OrderedDict[int, Observation]" = OrderedDict()
        self._next = 1

    def add(self, observation: Observation) -> None:
        """Number an observation and keep it; the oldest goes where there is no room."""
        self._seq += 1
        observation.agent_epoch = self.agent_epoch
        observation.seq = self._seq
        self._kept[self._seq] = observation
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
            self.dropped += 1

    def unsent(self) -> List[ingest_service_pb2.AgentMessage]:
        """Those not handed out since the last `rewind`, oldest first; they count as handed out now."""
        messages = []
        for seq, observation in self._kept.items():
            if seq < self._next:
                continue
            observation.dropped_total = self.dropped
            if isinstance(observation, evidence_pb2.Status):
                messages.append(ingest_service_pb2.AgentMessage(status=observation))
            else:
                messages.append(ingest_service_pb2.AgentMessage(samples=observation))
        self._next = self._seq + 1
        return messages

    def acked(self, seq: int) -> None:
        """The collector has kept everything up to `seq`."""
        while self._kept and next(iter(self._kept)) <= seq:
            self._kept.popitem(last=False)

    def rewind(self) -> None:
        """A new stream: what is not acknowledged is sent again."""
        self._next = 1

    def __len__(self) -> int:
        return len(self._kept)
