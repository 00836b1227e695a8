"""Server-sent events: what changed, so that a page or a script reads again. The data is never in the stream itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from chainwatch_collector.show.access import Settings, Viewer
from chainwatch_collector.show.api.params import ERRORS
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.jsonable import dumps
from chainwatch_collector.show.model import Changes
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.views import Change

router = APIRouter(tags=["stream"], responses=ERRORS)

KEEPALIVE_SECONDS: Final = 15.0
RETRY_MILLISECONDS: Final = 3000


class Streams:
    """How many listen at once, and the end of them all when the server stops."""

    def __init__(self) -> None:
        self.open = 0
        self.closing = asyncio.Event()

    def close(self) -> None:
        """End every open stream: a server that stops gracefully would else wait for browsers to go away."""
        self.closing.set()


@router.get("/stream", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def stream(request: Request, scope: Viewer, settings: Settings) -> StreamingResponse:
    """`event: change` with `{revision, kind, pool_uuid, subjects}`; a comment every 15 s keeps proxies awake."""
    streams: Streams = request.app.state.streams
    if streams.open >= settings.max_streams:
        raise ApiError(503, "too_many_streams", "too many listeners", "try again in a minute, or raise max_streams")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_lines(scope, streams), media_type="text/event-stream", headers=headers)


async def _lines(scope: Scope, streams: Streams) -> AsyncIterator[str]:
    streams.open += 1
    changes = scope.model.subscribe()
    try:
        # The page was made at some revision: where this one is newer, it asks for itself again.
        revision = scope.model.revision()
        yield f'retry: {RETRY_MILLISECONDS}\nid: {revision}\nevent: hello\ndata: {{"revision":{revision}}}\n\n'
        async for change in until_closed(changes, streams.closing):
            if change is None:
                yield ": still here\n\n"
            elif change.pool_uuid is None or scope.sees(change.pool_uuid):
                yield f"id: {change.revision}\nevent: change\ndata: {dumps(change)}\n\n"
    finally:
        streams.open -= 1


async def until_closed(changes: Changes, closing: asyncio.Event) -> AsyncIterator[Change | None]:
    """The changes, None where none came for a while; ends with the changes or when the server is closing."""
    stop = asyncio.create_task(closing.wait())
    pending: asyncio.Task[Change | None] | None = None
    try:
        while not closing.is_set():
            pending = pending or asyncio.create_task(_next(changes))
            waiting: set[asyncio.Task[Any]] = {stop, pending}
            await asyncio.wait(waiting, timeout=KEEPALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if pending.done():
                change, pending = pending.result(), None
                if change is None:
                    return
                yield change
            elif not closing.is_set():
                yield None
    finally:
        for task in (stop, pending):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await changes.aclose()


async def _next(changes: Changes) -> Change | None:
    return await anext(changes, None)
