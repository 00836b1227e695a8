"""No request's body is larger or slower than any of ours: a client that sends more, or drips, is cut off."""

import asyncio
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chainwatch_collector.show.errors import ErrorBody, ErrorDetail
from chainwatch_collector.show.jsonable import Json

MAX_BODY_BYTES: Final = 256 * 1024
BODY_SECONDS: Final = 20.0


class BodyLimit:
    """ASGI middleware. Answers 413 before the route sees anything that is too large, 408 what is too slow."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._read(receive) if _has_body(scope) else []
        if isinstance(body, ErrorDetail):
            headers = {"Connection": "close"}
            await Json(ErrorBody(body), status_code=body.status, headers=headers)(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)

    async def _read(self, receive: Receive) -> list[Message] | ErrorDetail:
        """The whole body, which is small, as it came; or why not."""
        messages: list[Message] = []
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    messages.append(message)
                    size += len(message.get("body", b""))
                    if size > self._max:
                        return ErrorDetail(413, "too_large", f"the body is larger than {self._max} bytes")
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return messages
        except TimeoutError:
            return ErrorDetail(408, "too_slow", f"the body did not come within {self._seconds:g} s")


def _has_body(scope: Scope) -> bool:
    names = {name.lower() for name, _ in scope["headers"]}
    return bool(names & {b"content-length", b"transfer-encoding"})


def _replayed(messages: list[Message], receive: Receive) -> Receive:
    """What was read, then what comes: a disconnect."""
    waiting: list[Any] = list(reversed(messages))

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message
