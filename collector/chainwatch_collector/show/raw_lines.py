"""Raw log lines asked of a host's agent: what is asked, what comes, and that both are in the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.redact import redact
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.views import AuditEntry

MAX_BYTES: Final = 1024 * 1024
DEADLINE_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class RawRequest:
    """Lines of `log` around a time; with `literals` only those that hold one of them."""

    host_uuid: str
    log: str
    around: datetime
    literals: tuple[str, ...] = ()
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True, slots=True)
class RawPart:
    """Bytes from `offset` of the file whose first line has this SHA-256, scrubbed in dom0."""

    file: str
    offset: int
    data: bytes
    truncated: bool


@dataclass(frozen=True, slots=True)
class RawLine:
    """`offset` of the line's start in the uncompressed file."""

    file: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """Oldest first. `truncated`: there was more than may be sent."""

    host_uuid: str
    log: str
    around: datetime
    truncated: bool
    items: tuple[RawLine, ...]


class RawRefusedError(Exception):
    """The agent, or its absence, refused; the message says why and what would help."""


class RawLines(Protocol):
    async def ask(self, request: RawRequest) -> Sequence[RawPart]:
        """Raises `RawRefusedError`."""
        ...


async def ask(scope: Scope, source: RawLines | None, request: RawRequest, pool_uuid: str | None) -> RawAnswer:
    """Ask, and keep in the audit log who asked what and what came of it. Raises `ApiError` (409)."""
    if source is None:
        raise ApiError(503, "not_available", "this collector receives no evidence", "ask the one that does")
    words = f" with {', '.join(map(repr, request.literals))}" if request.literals else ""
    asked = f"{request.log} around {request.around:%Y-%m-%d %H:%M:%S} UTC{words}"[:500]
    try:
        parts = await source.ask(request)
    except RawRefusedError as error:
        await _audit(scope, request.host_uuid, pool_uuid, "refused", f"{asked}: {error}")
        raise ApiError(409, "no_evidence", str(error), "chainwatch agent show HOST says how it is") from None
    size = sum(len(part.data) for part in parts)
    await _audit(scope, request.host_uuid, pool_uuid, "done", f"{asked}: {size} bytes")
    lines = tuple(line for part in parts for line in _lines(part))
    truncated = any(part.truncated for part in parts)
    return RawAnswer(request.host_uuid, request.log, request.around, truncated, lines)


def _lines(part: RawPart) -> list[RawLine]:
    """The agent has scrubbed them; an older one may know fewer secrets than we do."""
    found, offset = [], part.offset
    for line in part.data.split(b"\n"):
        if line:
            found.append(RawLine(part.file, offset, redact(line.decode("utf-8", "replace"))))
        offset += len(line) + 1
    return found


async def _audit(scope: Scope, host_uuid: str, pool_uuid: str | None, outcome: str, detail: str) -> None:
    entry = AuditEntry(scope.model.now(), scope.principal.name, "evidence", host_uuid, pool_uuid, outcome, detail)
    await scope.model.record_audit(entry)
