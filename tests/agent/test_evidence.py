"""Raw lines on demand: around a time, bounded, scrubbed, one request at a time."""

import gzip
import os
import time
from pathlib import Path
from typing import List

import pytest
from chainwatch.v1 import ingest_service_pb2
from chainwatch_agent.evidence import EvidenceServer

LOG = "/var/log/SMlog"
BEGIN = time.mktime((2026, 11, 25, 10, 0, 0, 0, 0, -1))


def line(second: int) -> bytes:
    stamp = time.strftime("%b %d %H:%M:%S", time.localtime(BEGIN + second)).encode()
    return stamp + b" xcp-1 SM: [1] sr_scan {'session_ref': 'OpaqueRef:1'} %06d\n" % second


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """An hour in SMlog.2.gz, one in SMlog.1, one in SMlog."""
    for number, name in enumerate(("SMlog.2.gz", "SMlog.1", "SMlog")):
        data = b"".join(line(second) for second in range(number * 3600, number * 3600 + 3600))
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        end = BEGIN + number * 3600 + 3599
        os.utime(str(path), (end, end))
    return tmp_path / "SMlog"


def server(log: Path, allowed: bool = True) -> EvidenceServer:
    return EvidenceServer({LOG: str(log)}, allowed)


def answers(
    asked: EvidenceServer, request: ingest_service_pb2.EvidenceRequest
) -> List[ingest_service_pb2.EvidenceReply]:
    messages = asked.asked(request)
    while True:
        more = asked.next_replies()
        if not more:
            return [message.evidence_reply for message in messages]
        messages += more


def request(second: int, **fields: object) -> ingest_service_pb2.EvidenceRequest:
    around_us = int((BEGIN + second) * 1e6)
    return ingest_service_pb2.EvidenceRequest(request_id=5, log=LOG, around_us=around_us, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("second", [1800, 5400, 9000])
def test_lines_around_a_time_from_every_generation(log: Path, second: int) -> None:
    replies = answers(server(log), request(second, max_bytes=20000))
    data = b"".join(reply.data for reply in replies)
    assert b" %06d\n" % second in data
    assert 15000 < len(data) <= 20000
    assert b"OpaqueRef" not in data
    assert [reply.last for reply in replies] == [False] * (len(replies) - 1) + [True]
    assert replies[-1].truncated
    assert {reply.request_id for reply in replies} == {5}


def test_only_lines_with_a_literal(log: Path) -> None:
    replies = answers(server(log), request(9000, literals=["009000"]))
    assert [reply.data.count(b"\n") for reply in replies] == [1]


def test_refusals(log: Path, tmp_path: Path) -> None:
    (reply,) = answers(server(log, allowed=False), request(0))
    assert "[evidence] allow=yes" in reply.error
    (reply,) = answers(server(log), ingest_service_pb2.EvidenceRequest(request_id=1, log="/etc/shadow"))
    assert "is not followed" in reply.error
    (reply,) = answers(server(tmp_path / "none" / "SMlog"), request(0))
    assert "No such file" in reply.error
    busy = server(log)
    assert busy.asked(request(9000)) == []
    (message,) = busy.asked(request(9000))
    assert "another request" in message.evidence_reply.error
    busy.stop()
    assert busy.next_replies() == []


def test_the_deadline_ends_it(log: Path) -> None:
    now = [0.0]
    slow = EvidenceServer({LOG: str(log)}, True, lambda: now[0])
    slow.asked(request(9000, deadline_seconds=1))
    now[0] = 5.0
    (message,) = slow.next_replies()
    assert "deadline" in message.evidence_reply.error
