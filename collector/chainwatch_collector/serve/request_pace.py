"""Requests are begun at a pace that leaves the event loop to the agents, whoever asks and however often.

Nothing is refused: who asks faster than one address may, or than everybody together may, waits. Of one address one
request at a time waits for everybody's pace, so that a crowd of one address does not stand before all others.
"""

import asyncio
from typing import Final
from weakref import WeakValueDictionary

from starlette.types import ASGIApp, Receive, Scope, Send

from chainwatch_collector.rate import RateLimit
from chainwatch_collector.serve.admission import network_of

# Some pages at once. A larger one is a stall: each takes some milliseconds of the event loop.
BURST: Final = 50
_EVERYBODY: Final = ""


class RequestPace:
    """ASGI, around the application. `by_address`: half of the pace is the most for one address; not behind a proxy."""

    def __init__(self, app: ASGIApp, per_second: float, *, by_address: bool) -> None:
        self._app = app
        self._by_address = by_address
        self._everybody = RateLimit(60.0 * per_second, BURST)
        self._addresses = RateLimit(30.0 * per_second, BURST)
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            client = scope.get("client")
            await self._turn(network_of(client[0]) if client and self._by_address else _EVERYBODY)
        await self._app(scope, receive, send)

    async def _turn(self, network: str) -> None:
        queue = self._queues.get(network)
        if queue is None:
            queue = self._queues[network] = asyncio.Lock()
        async with queue:
            if network:
                await _wait(self._addresses, network)
            await _wait(self._everybody, _EVERYBODY)
            # One at a turn of the event loop, also of a burst.
            await asyncio.sleep(0)


async def _wait(limit: RateLimit, key: str) -> None:
    now = asyncio.get_running_loop().time
    while seconds := limit.wait_seconds(key, now()):
        await asyncio.sleep(seconds)
