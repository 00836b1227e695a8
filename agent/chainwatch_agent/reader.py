"""All logs of a dom0 as one object that can be stepped: the whole delivery logic, without a network and without time.

A driver (the daemon, or a test) does, again and again:

    reader.on_welcome(welcome, now)        # a stream is up: plan from the collector's positions
    while the stream lives:
        reader.on_ack(ack)                 # for every Ack that came
        reader.on_policy(policy, now)      # for every Policy; its messages are sent first
        if reader.poll(now):               # the disk may have something new
            for message in reader.next_messages(now): send it, in this order
    reader.on_disconnect()                 # nothing is kept; the next Welcome says where to go on

`now` is a monotonic clock in seconds. Everything is synchronous and deterministic for the same disk, messages and
times; the only I/O is reading log files (`sources.py`, `generations.py`). No thread, no task, no grpc.
"""

from typing import Callable, Dict, List, Sequence, Tuple

from chainwatch.v1 import evidence_pb2, ingest_service_pb2

from chainwatch_agent.checkpoint import Checkpoint
from chainwatch_agent.counters import Counters
from chainwatch_agent.follower import DEFAULT_PACE, LogFollower, Pace
from chainwatch_agent.history import DEFAULT_HISTORY, History
from chainwatch_agent.hold import Window
from chainwatch_agent.identity import FileId
from chainwatch_agent.plan import Position
from chainwatch_agent.policy import LogPolicy, Policy, PolicyError, check, floor_for, part_for
from chainwatch_agent.select import BLOCK_BYTES

Message = ingest_service_pb2.AgentMessage
DEFAULT_MESSAGE_BYTES = 1024 * 1024


class Reader:
    """`logs` are (dom0's path, where it is found). `problems` are those of now, for Status."""

    def __init__(
        self,
        logs: Sequence[Tuple[str, str]],
        checkpoint: Checkpoint,
        clock_us: Callable[[], int],
        history: History = DEFAULT_HISTORY,
        pace: Pace = DEFAULT_PACE,
        window_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        self.counters = Counters()
        self.floor = floor_for(log for log, _ in logs)
        self.window = Window(window_bytes)
        self.checkpoint = checkpoint
        self.policy_problem = ""
        self._window_bytes = window_bytes
        self._pace = pace
        self._policy = Policy(0, ())
        self._followers = [
            LogFollower(log, path, history, self.counters, clock_us, checkpoint.retired, pace) for log, path in logs
        ]
        self._turn = 0

    # --- what the collector says ------------------------------------------------------------------------------

    def on_welcome(self, welcome: ingest_service_pb2.Welcome) -> None:
        """A stream is up. The positions decide; what was on its way on the last stream is forgotten."""
        self.window.forget()
        limits = welcome.limits
        self.window.limit_bytes = min(self._window_bytes, limits.window_bytes or self._window_bytes)
        most = (limits.max_message_bytes or DEFAULT_MESSAGE_BYTES) // 2 - BLOCK_BYTES
        self._set_span_bytes(max(1, min(self._pace.span_bytes, most, self.window.limit_bytes)))
        policy = welcome.policy if welcome.HasField("policy") else None
        self._policy = self._accepted(policy) if policy is not None else Policy(0, ())
        of_log: Dict[str, List[Position]] = {}
        for one in welcome.positions:
            of_log.setdefault(one.log, []).append(position_of(one))
        for follower in self._followers:
            follower.start(
                of_log.get(follower.log, []),
                self._policy.policy_id,
                self._parts(follower.log),
                self.checkpoint.following,
            )

    def on_policy(self, policy: ingest_service_pb2.Policy, now: float) -> List[Message]:
        """Another selection from now on. What is to be sent first is handed out."""
        accepted = self._accepted(policy)
        if accepted is self._policy:
            return []
        self._policy = accepted
        messages: List[Message] = []
        for follower in self._followers:
            messages += follower.change_policy(accepted.policy_id, self._parts(follower.log), now)
        return self._note(messages)

    def on_ack(self, ack: ingest_service_pb2.Ack) -> None:
        """Committed up to there; or other bytes there, and the file is to be opened anew."""
        if not ack.HasField("file"):
            return
        file = FileId(ack.file.fingerprint, ack.file.salt)
        if ack.reopen_salt:
            self.window.forget(file)
            for follower in self._followers:
                follower.reopen(file, ack.reopen_salt)
            return
        self.counters.add("spans_acked_total", self.window.acked(file, ack.to_offset))
        self.checkpoint.acked(file, ack.to_offset)

    def on_disconnect(self) -> None:
        """The stream is gone: no file stays open, nothing stays in memory."""
        self.window.forget()
        for follower in self._followers:
            follower.stop()

    # --- what there is to say ---------------------------------------------------------------------------------

    def poll(self, now: float) -> bool:
        """Look at the disk; True where `next_messages` may have something."""
        found = [follower.poll(now) for follower in self._followers]
        return any(found)

    def next_messages(self, now: float) -> List[Message]:
        """At most one span with what belongs before it, of the logs in turn; empty where nothing is due or may go."""
        if not self.window.room_for(self._span_bytes + BLOCK_BYTES):
            self.counters.add("window_waits_total")
            return []
        for _ in self._followers:
            follower = self._followers[self._turn]
            self._turn = (self._turn + 1) % len(self._followers)
            messages = follower.next_messages(now)
            if messages:
                return self._note(messages)
        return []

    def logs(self) -> List[evidence_pb2.LogFile]:
        """Every log for Status: size, how far read, what is wrong."""
        return [follower.describe() for follower in self._followers]

    def lag_bytes(self) -> int:
        """Bytes on disk that were not read yet, as far as they are known."""
        return sum(follower.lag_bytes() for follower in self._followers)

    def problems(self) -> List[str]:
        """What keeps something from being read or selected, now."""
        found = [follower.problem for follower in self._followers if follower.problem]
        return found + ([self.policy_problem] if self.policy_problem else [])

    def halve_spans(self) -> None:
        """The collector found a message too large."""
        self._set_span_bytes(max(4096, self._span_bytes // 2))
        self._pace = self._pace._replace(span_bytes=self._span_bytes)

    # --- inside -----------------------------------------------------------------------------------------------

    def _set_span_bytes(self, span_bytes: int) -> None:
        self._span_bytes = span_bytes
        for follower in self._followers:
            follower.pace = follower.pace._replace(span_bytes=span_bytes)

    def _parts(self, log: str) -> Tuple[LogPolicy, ...]:
        return (part_for(self.floor, log), part_for(self._policy, log))

    def _accepted(self, message: ingest_service_pb2.Policy) -> Policy:
        policy = policy_of(message)
        try:
            check(policy)
        except PolicyError as error:
            self.policy_problem = "policy {} refused: {}".format(policy.policy_id, error)
            return self._policy
        self.policy_problem = ""
        return policy

    def _note(self, messages: List[Message]) -> List[Message]:
        counters = self.counters
        for message in messages:
            body = message.WhichOneof("body")
            if body == "gap":
                counters.add("gaps_total")
            elif body == "span":
                span = message.span
                size = len(span.slices.data)
                self.window.sent(FileId(span.file.fingerprint, span.file.salt), span.to_offset, size)
                counters.add("spans_sent_total")
                counters.add("bytes_read_total", span.to_offset - span.from_offset)
                counters.add("bytes_selected_total", size)
                counters.add("lines_selected_total", span.slices.data.count(b"\n"))
                counters.add("scrubbed_total", span.scrubbed)
        return messages


def position_of(message: ingest_service_pb2.Position) -> Position:
    """As a value."""
    file = FileId(message.file.fingerprint, message.file.salt)
    return Position(file, message.to_offset, message.tail_sha256, message.ordinal)


def policy_of(message: ingest_service_pb2.Policy) -> Policy:
    """As a value."""
    return Policy(
        message.policy_id,
        tuple(
            LogPolicy(
                part.log,
                tuple(word.encode("utf-8") for word in part.idents),
                tuple(word.encode("utf-8") for word in part.literals),
                tuple(word.encode("utf-8") for word in part.noise),
            )
            for part in message.logs
        ),
    )


def policy_message(policy: Policy) -> ingest_service_pb2.Policy:
    """The wire's form."""
    message = ingest_service_pb2.Policy(policy_id=policy.policy_id)
    for part in policy.logs:
        message.logs.add(
            log=part.log,
            idents=[word.decode("utf-8") for word in part.idents],
            literals=[word.decode("utf-8") for word in part.literals],
            noise=[word.decode("utf-8") for word in part.noise],
        )
    return message
