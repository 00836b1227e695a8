"""Fifty browsers listen at once: each hears of every kind of change, and nothing is left when they go."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.settings import ShowSettings
from collector.show.estate import NFS, PROD, estate
from collector.show.memory import MemoryModel
from collector.show.serving import OpenGuard, served
from fastapi import FastAPI

BROWSERS = 50
PATIENCE_SECONDS = 30.0


@pytest.fixture
def model() -> MemoryModel:
    return estate()


@pytest.fixture
def app(model: MemoryModel) -> FastAPI:
    return build_app(model, OpenGuard(), ShowSettings())


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with served(app) as url:
        yield url


async def events(response: httpx2.Response) -> AsyncIterator[tuple[str, dict[str, object]]]:
    """(event, data) as they arrive."""
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def test_every_one_of_fifty_listeners_hears_a_change(address: str, app: FastAPI, model: MemoryModel) -> None:
    ready = asyncio.Semaphore(0)

    async def listen(client: httpx2.AsyncClient) -> dict[str, object]:
        async with client.stream("GET", "/api/v1/stream") as response:
            heard = events(response)
            assert (await anext(heard))[0] == "hello"
            ready.release()
            return (await anext(heard))[1]

    limits = httpx2.Limits(max_connections=BROWSERS)
    async with httpx2.AsyncClient(base_url=address, trust_env=False, timeout=PATIENCE_SECONDS, limits=limits) as client:
        listening = [asyncio.create_task(listen(client)) for _ in range(BROWSERS)]
        for _ in range(BROWSERS):
            await asyncio.wait_for(ready.acquire(), PATIENCE_SECONDS)
        assert app.state.streams.open == BROWSERS
        app.state.loop.call_soon_threadsafe(model.changed, "answer", PROD, NFS)
        heard = await asyncio.wait_for(asyncio.gather(*listening), PATIENCE_SECONDS)
    assert {(str(one["kind"]), str(one["pool_uuid"]), str(one["subjects"])) for one in heard} == {
        ("answer", PROD, str([NFS]))
    }
    async with asyncio.timeout(PATIENCE_SECONDS):
        while app.state.streams.open:
            await asyncio.sleep(0.02)
