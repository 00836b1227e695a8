"""One publisher, many listeners: what changed, delivered to each without ever waiting for a slow one.

Invariant: a listener holds at most one pending change per (kind, pool), the newest. A slow browser is thereby late,
never a growing queue, and what it reads next is the present state anyway.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from chainwatch_collector.show.views import Change


class ChangeHub:
    """Belongs to one event loop. `publish` and `subscribe` are called on its thread."""

    def __init__(self) -> None:
        self._revision = 0
        self._listeners: set[Subscription] = set()
        self._closed = False

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def publish(self, change: Change) -> Change:
        """Number the change and hand it to every listener. Returns it with its revision."""
        self._revision += 1
        numbered = replace(change, revision=self._revision)
        for listener in self._listeners:
            listener.put(numbered)
        return numbered

    def close(self) -> None:
        """End every subscription, now and to come: the server is going away."""
        self._closed = True
        for listener in self._listeners:
            listener.wake.set()

    def subscribe(self) -> "Subscription":
        """Listens from this moment on, not from the first `anext`: what is published in between is not lost."""
        listener = Subscription(self)
        self._listeners.add(listener)
        return listener

    def forget(self, listener: "Subscription") -> None:
        self._listeners.discard(listener)

    @property
    def closed(self) -> bool:
        return self._closed


class Subscription:
    """An async iterator of changes; `aclose` it, or iterate until the hub is closed."""

    def __init__(self, hub: ChangeHub) -> None:
        self.wake = asyncio.Event()
        self._hub = hub
        self._pending: dict[tuple[str, str | None], Change] = {}

    def put(self, change: Change) -> None:
        key = (change.kind, change.pool_uuid)
        before = self._pending.pop(key, None)
        if before is not None:
            change = replace(change, subjects=tuple(dict.fromkeys((*before.subjects, *change.subjects)))[:100])
        self._pending[key] = change
        self.wake.set()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        while not self._pending and not self._hub.closed:
            self.wake.clear()
            await self.wake.wait()
        if not self._pending:
            await self.aclose()
            raise StopAsyncIteration
        return self._pending.pop(next(iter(self._pending)))

    async def aclose(self) -> None:
        self._hub.forget(self)
