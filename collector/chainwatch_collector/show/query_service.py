"""QueryService: the read model over gRPC, behind the same guard, with the same bodies as REST."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, NoReturn

import grpc
from chainwatch.v1 import query_service_pb2 as pb
from chainwatch.v1 import query_service_pb2_grpc as pb_grpc

from chainwatch_collector.show import compose, detail
from chainwatch_collector.show import query_messages as messages
from chainwatch_collector.show.api.stream import until_closed
from chainwatch_collector.show.errors import detail_of
from chainwatch_collector.show.guard import Credentials, Guard, RefusedError, Role, require
from chainwatch_collector.show.model import ReadModel
from chainwatch_collector.show.paging import page
from chainwatch_collector.show.scope import Scope

Context = grpc.aio.ServicerContext[Any, Any]

PAGE_SIZE: Final = 200
MAX_PAGE_SIZE: Final = 1000
_CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
}


class QueryServicer(pb_grpc.QueryServiceServicer):
    """Add it to a `grpc.aio.server()` with `add_QueryServiceServicer_to_server`; `close` ends every Watch."""

    def __init__(self, model: ReadModel, guard: Guard, max_watches: int = 200) -> None:
        self._model = model
        self._guard = guard
        self._closing = asyncio.Event()
        self._watches = 0
        self._max_watches = max_watches

    def close(self) -> None:
        self._closing.set()

    async def GetHealth(self, request: pb.GetHealthRequest, context: Context) -> pb.GetHealthResponse:  # noqa: N802
        try:
            return messages.health(compose.health(await self._scope(context, request.pool)))
        except Exception as error:  # noqa: BLE001  # the top of a call: every error becomes a status
            await _abort(context, error)

    async def Why(self, request: pb.WhyRequest, context: Context) -> pb.WhyResponse:  # noqa: N802
        try:
            scope = await self._scope(context, "")
            return messages.why(detail.why(scope, scope.find(request.subject)))
        except Exception as error:  # noqa: BLE001  # the top of a call: every error becomes a status
            await _abort(context, error)

    async def ListFindings(self, request: pb.ListFindingsRequest, context: Context) -> pb.ListFindingsResponse:  # noqa: N802
        try:
            scope = await self._scope(context, request.pool)
            chosen = compose.choose(
                scope, request.code or None, request.severity or None, request.sr or None, request.root_only
            )
            size = min(request.page_size or PAGE_SIZE, MAX_PAGE_SIZE)
            found = page(chosen, compose.finding_key, size, request.page_token or None)
            return messages.findings(found)
        except Exception as error:  # noqa: BLE001  # the top of a call: every error becomes a status
            await _abort(context, error)

    async def Watch(self, request: pb.WatchRequest, context: Context) -> AsyncIterator[pb.WatchResponse]:  # noqa: N802
        try:
            scope = await self._scope(context, request.pool)
            if self._watches >= self._max_watches:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watches: try again in a minute")
        except Exception as error:  # noqa: BLE001  # the top of a call: every error becomes a status
            await _abort(context, error)
        self._watches += 1
        try:
            # Subscribed before the first answer is made, so that nothing falls between the two.
            changes = until_closed(self._model.subscribe(), self._closing)
            yield pb.WatchResponse(revision=self._model.revision(), health=messages.health(compose.health(scope)))
            async for change in changes:
                if change is not None and (change.pool_uuid is None or scope.sees(change.pool_uuid)):
                    yield pb.WatchResponse(revision=change.revision, health=messages.health(compose.health(scope)))
        finally:
            self._watches -= 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the collector is stopping: watch again")

    async def _scope(self, context: Context, pool: str) -> Scope:
        principal = require(await self._guard.identify(_credentials(context)), Role.VIEWER)
        whole = Scope(self._model, principal)
        return Scope(self._model, principal, whole.find(pool, ("pool",)).uuid) if pool else whole


def _credentials(context: Context) -> Credentials:
    """The bearer token of the call's metadata, and the peer's address without its port."""
    bearer = None
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            kind, _, token = (value if isinstance(value, str) else value.decode("latin-1")).partition(" ")
            if kind.lower() != "bearer" or not token.strip():
                raise RefusedError(401, "the authorization metadata is no bearer token", "send: Bearer TOKEN")
            bearer = token.strip()
    return Credentials(bearer, {}, _address(context.peer()))


def _address(peer: str) -> str | None:
    """`ipv4:127.0.0.1:5000`, `ipv6:[::1]:5000` (percent-encoded on some) → the address; None for a socket file."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return None
    return rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")


async def _abort(context: Context, error: Exception) -> NoReturn:
    """End the call with the status of the error; an unforeseen one says nothing of its inside."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    told = detail_of(error)
    hint = f" ({told.hint})" if told.hint else ""
    await context.abort(_CODES.get(told.status, grpc.StatusCode.INTERNAL), f"{told.message}{hint}")
    raise AssertionError("abort always raises")
