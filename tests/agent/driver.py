"""A reader on a disk, stepped by hand: the agent's delivery without a network and without time."""

from pathlib import Path
from typing import List, Sequence, Tuple

from agent.ledger import Ledger
from chainwatch.v1 import ingest_service_pb2
from chainwatch_agent.checkpoint import Checkpoint
from chainwatch_agent.follower import Pace
from chainwatch_agent.history import History
from chainwatch_agent.reader import Reader

SMLOG = "/var/log/SMlog"
ALL = History(1e9, 1 << 40)


class Driver:
    """Ships `logs`, SMlog in `directory` where none are named, to a ledger. Time is a number."""

    def __init__(self, directory: Path, ledger: Ledger, logs: "Sequence[Tuple[str, Path]]" = ()) -> None:
        self.now = 1000.0
        self.directory = directory
        self.ledger = ledger
        self.logs = logs or [(SMLOG, directory / "SMlog")]
        self.pace = Pace(span_bytes=1000)
        self.acks: List[ingest_service_pb2.Ack] = []
        self.start()

    def start(self, history: History = ALL) -> None:
        """A new process, with no more than its checkpoint."""
        checkpoint = Checkpoint(str(self.directory / "checkpoint"))
        assert not checkpoint.load()
        logs = [(log, str(path)) for log, path in self.logs]
        self.reader = Reader(logs, checkpoint, self.clock_us, history, self.pace)
        self.connect()

    def clock_us(self) -> int:
        return 1764086400 * 1000000 + int(self.now * 1e6)

    def connect(self) -> None:
        """A new stream; what was not acknowledged on the old one is lost."""
        self.acks = []
        self.reader.on_disconnect()
        self.reader.on_welcome(self.ledger.welcome())

    def step(self, acknowledge: bool = True) -> bool:
        """One turn of the sender; whether anything was sent."""
        self.now += 0.1
        if not self.reader.poll(self.now):
            return False
        messages = self.reader.next_messages(self.now)
        for message in messages:
            self.acks += self.ledger.take(ingest_service_pb2.AgentMessage.FromString(message.SerializeToString()))
        if acknowledge:
            self.acknowledge()
        return bool(messages)

    def acknowledge(self) -> None:
        """Every Ack on its way arrives."""
        acks, self.acks = self.acks, []
        for ack in acks:
            self.reader.on_ack(ack)

    def settle(self) -> None:
        """Until there is nothing more to send, whatever time it takes."""
        for _ in range(3):
            for _ in range(40):
                while self.step():
                    pass
            self.now += 5.0
