"""Who listens, how much a page has, and how long a query may take."""

import asyncio
from pathlib import Path

import grpc
import httpx2
import pytest
from chainwatch.v1 import query_service_pb2 as pb
from chainwatch.v1 import query_service_pb2_grpc as pb_grpc
from chainwatch_collector.keep.engine import open_engine, sqlite_url
from chainwatch_collector.keep.readers import QueryTimeoutError, Readers
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.query_service import QueryServicer
from chainwatch_collector.show.settings import ShowSettings
from collector.show.estate import estate
from collector.show.serving import NamedGuard, OpenGuard, served
from sqlalchemy import text

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def test_one_listener_more_is_told_to_come_again() -> None:
    with served(build_app(estate(), OpenGuard(), ShowSettings(max_streams=1))) as address:
        async with (
            httpx2.AsyncClient(base_url=address, trust_env=False) as client,
            client.stream("GET", "/api/v1/stream") as first,
        ):
            lines = first.aiter_lines()
            await anext(lines)
            refused = await client.get("/api/v1/stream")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_many_streams")


async def test_one_watch_more_is_told_to_come_again_and_a_page_has_no_more_than_it_may() -> None:
    servicer = QueryServicer(estate(), NamedGuard(), max_watches=1)
    server = grpc.aio.server()
    pb_grpc.add_QueryServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    view = (("authorization", "Bearer view"),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = pb_grpc.QueryServiceStub(channel)
        first = stub.Watch(pb.WatchRequest(), metadata=view)
        assert await first.read()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Watch(pb.WatchRequest(), metadata=view).read()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        found = await stub.ListFindings(pb.ListFindingsRequest(page_size=2_000_000_000), metadata=view)
        assert 0 < len(found.findings) <= 1000
        first.cancel()
    servicer.close()
    await server.stop(1)


async def test_a_query_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    readers = Readers(open_engine(sqlite_url(tmp_path / "chainwatch.db")))
    try:
        with pytest.raises(QueryTimeoutError, match=r"stopped after 0\.2 s: ask for a shorter time or fewer rows"):
            async with asyncio.timeout(30):
                await readers.read(lambda connection: connection.execute(text(ENDLESS)).all(), 0.2)
    finally:
        readers.close()
