"""How calls end, in words and never in an exception of the library."""

import asyncio
from pathlib import Path
from typing import List

import pytest
from agent.estate import HOST, make_pki
from chainwatch.v1 import ingest_service_pb2
from chainwatch_agent.transport import Stream, StreamEnded, Tls, TlsError, credentials, slow_protobuf
from free_ports import free_port


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    pki = make_pki(Path(str(tmp_path_factory.mktemp("pki"))), HOST)
    stem = "{}/host-{}".format(pki, HOST)
    return Tls("{}/ca.pem".format(pki), stem + ".pem", stem + ".key")


async def every_end(tls: Tls) -> "List[StreamEnded]":
    """What every method says of a collector that is not there, and again of a call that is over."""
    stream, ends = Stream("localhost:{}".format(free_port()), tls, 20.0), []
    message = ingest_service_pb2.AgentMessage(hello=ingest_service_pb2.Hello())
    for _ in range(2):
        for attempt in (lambda: stream.write(message), stream.read, stream.half_close):
            try:
                await attempt()
            except StreamEnded as ended:
                ends.append(ended)
    await stream.close()
    await stream.close()
    return ends


def test_a_call_that_is_over_says_why_whoever_asks(tls: Tls) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        ends = loop.run_until_complete(asyncio.wait_for(every_end(tls), 60))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert len(ends) >= 4
    assert {ended.code for ended in ends} == {"UNAVAILABLE"}
    assert all(ended.details for ended in ends)


def test_a_file_that_is_missing_or_wrong_is_named(tls: Tls, tmp_path: Path) -> None:
    with pytest.raises(TlsError, match="none.pem: No such file"):
        credentials(tls._replace(certificate=str(tmp_path / "none.pem")))
    (tmp_path / "x.pem").write_text("hello")
    with pytest.raises(TlsError, match="no PEM file"):
        credentials(tls._replace(ca=str(tmp_path / "x.pem")))


def test_protobuf_is_the_fast_one() -> None:
    assert not slow_protobuf()
