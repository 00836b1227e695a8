"""One function per parser: takes any bytes, raises where the parser breaks its promise."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from chainwatch.v1 import ingest_service_pb2
from chainwatch_agent.checkpoint import Checkpoint
from chainwatch_agent.config import ConfigError, parse
from chainwatch_agent.history import History
from chainwatch_agent.policy import FLOOR, SMLOG, part_for
from chainwatch_agent.reader import Reader
from chainwatch_agent.scrub import scrub
from chainwatch_agent.select import Selector
from chainwatch_collector.keep.intake import Item
from chainwatch_collector.read.facts import Line
from chainwatch_collector.read.reader import HostReader
from chainwatch_collector.receive.messages import MessageError, item_of
from google.protobuf.message import DecodeError

READ_AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
_EVERYTHING = History(1e9, 1 << 40)
_TURNS = 2000


def config(data: bytes) -> None:
    """agent.conf is taken, or refused in one line."""
    said = ""
    try:
        parse("agent.conf", data)
    except ConfigError as error:
        said = str(error)
    assert "\n" not in said


def checkpoint(data: bytes) -> None:
    """A damaged one says so and begins anew; it can always be saved again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        path.write_bytes(data)
        Checkpoint(str(path)).load()
        again = Checkpoint(str(path))
        again.load()
        again.save()


def select(data: bytes) -> None:
    """What is selected stands in the block where it is said to stand, in whole lines, in order."""
    block = data + b"\n"
    behind = 0
    for offset, part in Selector(part_for(FLOOR, SMLOG)).select(block, 0):
        assert offset >= behind
        assert part == block[offset : offset + len(part)]
        assert part.endswith(b"\n")
        behind = offset + len(part)


def mask(data: bytes) -> None:
    """Masking keeps the length and writes asterisks alone."""
    masked, count = scrub(data)
    assert len(masked) == len(data)
    assert all(a == b or b == 0x2A for a, b in zip(data, masked, strict=True))
    assert count >= 0


def lines(data: bytes) -> None:
    """Each line is understood or counted as unknown."""
    reader, offset, batch = HostReader("", UTC), 0, []
    for line in data.split(b"\n"):
        batch.append(Line(SMLOG, 1, offset, line, READ_AT, None))
        offset += len(line) + 1
    reader.feed(batch)
    reader.finish()
    assert reader.lines_understood + reader.lines_unknown <= len(batch)


def message(data: bytes, policy_row: int = 1) -> Item | None:
    """A message is taken, ignored, or refused with its field. `policy_row`: of the floor's policy."""
    try:
        return item_of(ingest_service_pb2.AgentMessage.FromString(data), {0: policy_row})
    except DecodeError:
        return None
    except MessageError as error:
        refused = str(error)
    assert ": " in refused
    return None


def tail(data: bytes) -> None:
    """Any bytes as a log, its rotated file and its .gz are read to their ends, in spans that follow each other."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "SMlog"
        log.write_bytes(data)
        log.with_name("SMlog.1").write_bytes(b"1" + data)
        log.with_name("SMlog.2.gz").write_bytes(gzip.compress(b"2" + data, 1))
        log.with_name("SMlog.3.gz").write_bytes(data)
        reader = Reader([(SMLOG, str(log))], Checkpoint(""), lambda: 0, _EVERYTHING)
        reader.on_welcome(ingest_service_pb2.Welcome(stream_epoch=1))
        try:
            _read_all(reader)
        finally:
            reader.on_disconnect()


def _read_all(reader: Reader) -> None:
    behind: dict[bytes, int] = {}
    for turn in range(_TURNS):
        if not reader.poll(turn * 2.0) and turn > 8:
            return
        for one in reader.next_messages(turn * 2.0):
            if one.WhichOneof("body") == "span":
                name = one.span.file.SerializeToString()
                assert one.span.from_offset == behind.get(name, 0)
                behind[name] = one.span.to_offset
        reader.window.forget()
    raise AssertionError("it does not come to an end")


TARGETS: dict[str, Callable[[bytes], object]] = {
    "config": config,
    "checkpoint": checkpoint,
    "select": select,
    "mask": mask,
    "lines": lines,
    "message": message,
    "tail": tail,
}
