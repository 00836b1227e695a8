"""Requests are begun at a pace: an address that asks without end waits, another one does not wait behind all of it."""

import asyncio
from typing import Any

from chainwatch_collector.serve.request_pace import BURST, RequestPace
from starlette.types import Receive, Scope, Send

MANY = 5 * BURST


class Witness:
    """An application that remembers who asked, in order; its event loop's turns beside it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["client"][0])


async def ask(app: RequestPace, address: str) -> None:
    async def receive() -> Any:
        raise AssertionError("the pace reads nothing")

    async def send(message: object) -> None:
        raise AssertionError("the pace says nothing")

    await app({"type": "http", "client": (address, 1)}, receive, send)


async def test_no_more_than_a_burst_begins_at_once_and_one_at_a_turn() -> None:
    witness = Witness()
    app = RequestPace(witness, 1.0, by_address=True)
    asking = [asyncio.create_task(ask(app, "10.0.0.1")) for _ in range(MANY)]
    for _ in range(20 * BURST):
        before = len(witness.asked)
        await asyncio.sleep(0)
        assert len(witness.asked) - before <= 1
    assert BURST <= len(witness.asked) <= BURST + 20
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def test_another_address_does_not_wait_behind_a_crowd() -> None:
    witness = Witness()
    # Everybody's burst is spent by the first, whose own is spent with it; thirty tokens a second come after that.
    app = RequestPace(witness, 30.0, by_address=True)
    crowd = [asyncio.create_task(ask(app, "10.0.0.1")) for _ in range(MANY)]
    while len(witness.asked) < BURST:
        await asyncio.sleep(0)
    await asyncio.wait_for(ask(app, "10.0.0.2"), 30)
    assert len(witness.asked) < MANY // 2
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)


async def test_behind_a_proxy_all_are_alike() -> None:
    witness = Witness()
    app = RequestPace(witness, 1.0, by_address=False)
    asking = [asyncio.create_task(ask(app, f"10.0.0.{number % 100}")) for number in range(MANY)]
    for _ in range(20 * BURST):
        await asyncio.sleep(0)
    assert BURST <= len(witness.asked) <= BURST + 20
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
