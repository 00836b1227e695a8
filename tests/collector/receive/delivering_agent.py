"""An agent's delivery logic on a disk, its messages and acknowledgements on their way; time is a number."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from chainwatch.v1 import ingest_service_pb2
from chainwatch_agent.checkpoint import Checkpoint
from chainwatch_agent.follower import Pace
from chainwatch_agent.history import History
from chainwatch_agent.reader import Reader
from collector.receive.direct import Call, DirectCollector
from lab.wire import SMLOG

EVERYTHING = History(1e9, 1 << 40)


class DeliveringAgent:
    """`outbox` left the agent and did not arrive, `inbox` left the collector and did not arrive."""

    def __init__(self, directory: Path, collector: DirectCollector, name: str) -> None:
        self.now = 1000.0
        self.directory = directory
        self.collector = collector
        self.checkpoint_path = directory / f"checkpoint-{name}"
        self.call: Call | None = None
        self.outbox: deque[bytes] = deque()
        self.inbox: deque[ingest_service_pb2.Ack] = deque()
        self.start()

    def start(self) -> None:
        """A new process, with no more than what its checkpoint holds."""
        checkpoint = Checkpoint(str(self.checkpoint_path))
        checkpoint.load()
        logs = [(SMLOG, str(self.directory / "SMlog"))]
        self.reader = Reader(logs, checkpoint, self._clock_us, EVERYTHING, Pace(span_bytes=1000))

    def _clock_us(self) -> int:
        return 1764086400 * 1000000 + int(self.now * 1e6)

    def crash(self) -> None:
        """Killed, and started again; the streams are cut off."""
        self.disconnect()
        self.start()

    def disconnect(self) -> None:
        """The stream breaks: what is on its way is lost."""
        self.call = None
        self.outbox.clear()
        self.inbox.clear()
        self.reader.on_disconnect()

    def connect(self) -> None:
        """A new stream."""
        self.disconnect()
        call = self.collector.hello()
        assert isinstance(call, Call)
        self.call = call
        self.reader.on_welcome(ingest_service_pb2.Welcome.FromString(call.welcome.SerializeToString()))

    def step(self) -> bool:
        """One turn of the sender; whether anything was sent."""
        self.now += 0.1
        if self.call is None or not self.reader.poll(self.now):
            return False
        messages = self.reader.next_messages(self.now)
        self.outbox.extend(message.SerializeToString() for message in messages)
        return bool(messages)

    def deliver(self, most: int) -> None:
        """The first of the messages arrive."""
        for _ in range(min(most, len(self.outbox))):
            if self.call is not None and not self.call.ended:
                self.collector.take(self.call, self.outbox.popleft())

    def commit(self, crash: bool = False) -> None:
        """The collector commits what came and answers."""
        if self.call is not None:
            self.inbox.extend(self.collector.commit(self.call, crash))

    def acknowledge(self, most: int) -> None:
        """The first of the acknowledgements arrive; what a stream ended with comes behind all of them."""
        for _ in range(min(most, len(self.inbox))):
            self.reader.on_ack(self.inbox.popleft())
        if self.call is not None and self.call.ended and not self.inbox:
            self.disconnect()

    def exchange(self) -> None:
        """Everything on its way arrives."""
        self.deliver(1 << 30)
        self.commit()
        while self.call is not None and self.call.pending and not self.call.ended:
            self.commit()
        self.acknowledge(1 << 30)

    def settle(self) -> None:
        """Until there is nothing more to send, whatever time it takes."""
        if self.call is None:
            self.connect()
        for _ in range(3):
            for _ in range(40):
                while self.step():
                    self.exchange()
                self.exchange()
                if self.call is None:
                    self.connect()
            self.now += 5.0
