"""Who tried what their role or pools do not reach: one record in the audit log of each change and evidence request.

Told of every error that ends a request (`show.errors`), so no route can forget it. Who loops fills no database: an
account gets `AT_ONCE` records of one kind, then `PER_MINUTE`; the rest are counted in the next one.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from fastapi import Request

from chainwatch_collector.rate import RateLimit
from chainwatch_collector.show.access import SAFE_METHODS
from chainwatch_collector.show.accounts import Accounts
from chainwatch_collector.show.guard import Principal, RefusedError
from chainwatch_collector.show.model import ReadModel
from chainwatch_collector.show.scope import is_uuid
from chainwatch_collector.show.views import AuditEntry, NotAvailableError, SubjectKind, UnknownSubjectError

LOG = logging.getLogger(__name__)
AT_ONCE: Final = 5
PER_MINUTE: Final = 1.0
MOST_KEYS: Final = 4096
_API: Final = "/api/v1"
_OUT_OF_REACH: Final = "nothing in the pools of this account goes by that name"
_MOST_CHARACTERS: Final = 300

WORDS: Final = {
    "/accounts": "account",
    "/account/{name}": "account",
    "/password": "account",
    "/tokens": "token",
    "/token/{token_id}": "token",
    "/logout": "logout",
    "/mutes": "mute",
    "/mute/{mute_id}": "unmute",
    "/mutes/{mute_id}/end": "unmute",
    "/sr/{sr}/rescan": "rescan",
    "/agent/{host}/evidence": "evidence",
    "/agent/{host}/raw": "evidence",
    "/agent/{host}/token": "enroll",
    "/agent/{host}/revoke": "revoke",
}
"""Route → the word that its done ones have in the audit log; a route that is not here goes by its method and path."""

KINDS: Final[dict[str, tuple[SubjectKind, ...]]] = {"sr": ("sr",), "host": ("host", "agent")}
"""Parameter of a route's path → what it names in a pool."""


def is_refusal(error: Exception, principal: Principal) -> bool:
    """Whether role, pools or a missing CSRF token are why. What is out of sight does not exist for who asks: told
    so, whether it does or not, they are recorded alike, and not even the time taken tells which it was."""
    if isinstance(error, RefusedError):
        return error.status == 403
    return isinstance(error, UnknownSubjectError) and len(error.candidates) <= 1 and principal.pools is not None


class Refusals:
    """One per application. Of what the client sent it keeps what names something that there is, and whole uuids of
    hosts and SRs: a secret that was pasted in the place of a name stays out. `clock`: seconds, monotonic."""

    def __init__(
        self, model: ReadModel, accounts: Accounts | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._accounts = accounts
        self._clock = clock
        self._pace = RateLimit(per_minute=PER_MINUTE, burst=AT_ONCE, most=MOST_KEYS)
        self._left_out: dict[str, int] = {}

    async def note(self, request: Request, error: Exception) -> None:
        """Record it, where it is a refusal of somebody known who would change something or see raw lines."""
        principal: Principal | None = getattr(request.state, "principal", None)
        if principal is None or request.method in SAFE_METHODS or not is_refusal(error, principal):
            return
        path = request.scope["route"].path.removeprefix(_API)
        what = WORDS.get(path, f"{request.method} {path}")
        key = f"{principal.name} {what}"
        if self._pace.wait_seconds(key, self._clock()):
            self._leave_out(key, 1)
            return
        more = self._left_out.pop(key, 0)
        subject, pool = await self._subject(request, error)
        detail = f"{request.method} {path}: {_reason(error)}" + (
            f"; {more} more since the record before" if more else ""
        )
        entry = AuditEntry(self._model.now(), principal.name, what, subject, pool, "refused", detail)
        try:
            await self._model.record_audit(entry)
        except NotAvailableError as problem:
            LOG.warning("%s by %s was refused, and is not in the audit log: %s", what, principal.name, problem)
            self._leave_out(key, more + 1)

    def _leave_out(self, key: str, count: int) -> None:
        self._left_out[key] = self._left_out.get(key, 0) + count
        while len(self._left_out) > MOST_KEYS:
            del self._left_out[next(iter(self._left_out))]

    async def _subject(self, request: Request, error: Exception) -> tuple[str, str | None]:
        """(what it was about, its pool uuid), as far as they can be told; ("", None) where they cannot."""
        given: dict[str, str] = request.path_params
        for name, text in given.items():
            found = await self._named(name, text)
            if found is not None:
                return found
        told = self._in_a_pool(error.text, ()) if isinstance(error, UnknownSubjectError) else None
        return told or ("", None)

    async def _named(self, name: str, text: str) -> tuple[str, str | None] | None:
        if name in KINDS:
            return self._in_a_pool(text, KINDS[name])
        if name == "mute_id":
            mutes = (mute for mute in self._model.mutes() if mute.id == text)
            return next(((mute.subject_name or mute.code, mute.pool_uuid) for mute in mutes), None)
        account = await self._account(name, text)
        return (account, None) if account is not None else None

    async def _account(self, name: str, text: str) -> str | None:
        """The account that it names, or whose token."""
        if self._accounts is None:
            return None
        if name == "name":
            return next((one.name for one in await self._accounts.accounts() if one.name == text), None)
        if name == "token_id":
            return next((one.account for one in await self._accounts.tokens() if one.id == text), None)
        return None

    def _in_a_pool(self, text: str, kinds: tuple[SubjectKind, ...]) -> tuple[str, str | None] | None:
        try:
            found = self._model.find(text, kinds)
        except UnknownSubjectError:
            return (text.lower(), None) if is_uuid(text) else None
        return found.uuid, found.pool_uuid


def _reason(error: Exception) -> str:
    reason = error.message if isinstance(error, RefusedError) else _OUT_OF_REACH
    return reason[:_MOST_CHARACTERS]
