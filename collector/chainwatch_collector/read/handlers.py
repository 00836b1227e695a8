"""The registry of events: a grammar row names one, a handler module registers it."""

from __future__ import annotations

from collections.abc import Callable

from chainwatch_collector.read.engine import Engine

Fields = dict[str, str]
Handler = Callable[[Engine, Fields], None]

HANDLERS: dict[str, Handler] = {}


def on(*events: str) -> Callable[[Handler], Handler]:
    """Register a handler for events of the grammar."""

    def register(handler: Handler) -> Handler:
        for event in events:
            HANDLERS[event] = handler
        return handler

    return register
