"""Delivery of a channel's messages: the oldest first, tried again with growing pauses until it is there or too old."""

import logging
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import httpx2 as httpx

from chainwatch_collector.keep.notices import Known, Waiting
from chainwatch_collector.notify.bodies import alerts, webhook
from chainwatch_collector.notify.settings import ChannelSection

LOG: Final = logging.getLogger(__name__)
Kind = Literal["webhook", "alertmanager"]
TIMEOUT_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 300.0
_MAY_SUCCEED_LATER: Final = frozenset({401, 403, 404, 407, 408, 409, 425, 429})
"""Answers below 500 after which the same message may be taken: a token or a path is set right, a limit passes."""


class ReceiverError(Exception):
    """It was not delivered. `is_final`: the receiver will never take this message."""

    def __init__(self, text: str, *, is_final: bool = False) -> None:
        super().__init__(text)
        self.is_final = is_final


class TokenError(Exception):
    """A token file that cannot be used; says which and the fix."""


@dataclass(frozen=True)
class Receiver:
    """One configured channel. `kind` says which JSON it takes."""

    kind: Kind
    section: ChannelSection
    directory: Path

    @property
    def name(self) -> str:
        return self.section.name

    def client(self) -> httpx.AsyncClient:
        """Connections to it. Raises `OSError` and `ssl.SSLError` where its CA file cannot be read."""
        ca = self.section.ca_file
        verify = ssl.create_default_context(cafile=str(self.directory / ca) if ca else None)
        return httpx.AsyncClient(verify=verify, timeout=TIMEOUT_SECONDS, trust_env=False)

    def headers(self, key: str | None) -> dict[str, str]:
        """Raises `TokenError`."""
        made = {"Idempotency-Key": f"chainwatch-{key}"} if key is not None else {}
        if self.section.token_file:
            made["Authorization"] = f"Bearer {read_token(self.directory / self.section.token_file)}"
        return made

    def message(self, waiting: Waiting, now: datetime) -> Any:
        """The JSON of a message."""
        if self.kind == "webhook":
            return webhook(waiting.key, waiting.event, waiting.body, waiting.created_at)
        return alerts(waiting.event, waiting.body, now)

    @property
    def url(self) -> str:
        return self.section.url if self.kind == "webhook" else f"{self.section.url}/api/v2/alerts"


async def post(client: httpx.AsyncClient, receiver: Receiver, body: Any, key: str | None = None) -> None:
    """One try. Raises `ReceiverError`."""
    try:
        answer = await client.post(receiver.url, json=body, headers=receiver.headers(key))
    except (httpx.HTTPError, TokenError, OSError) as error:
        raise ReceiverError(str(error) or type(error).__name__) from None
    if not answer.is_success:
        final = answer.status_code < 500 and answer.status_code not in _MAY_SUCCEED_LATER and not answer.is_redirect
        raise ReceiverError(f"it answered {answer.status_code}: {answer.text[:200]!r}", is_final=final)


async def repeat(client: httpx.AsyncClient, receiver: Receiver, known: list[Known], now: datetime) -> None:
    """Tell an Alertmanager what still is: it forgets what it does not hear of. Raises `ReceiverError`."""
    firing = [alert for one in known for alert in alerts("raised", one.body, now)]
    if firing:
        await post(client, receiver, firing)


def pause_seconds(tries: int) -> float:
    """Between the tries of a message: 2 s, 4 s, …, 5 min."""
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(tries, 20))


def too_old(waiting: Waiting, now: datetime, keep_hours: float) -> bool:
    """Whether it is given up."""
    return now - waiting.created_at > timedelta(hours=keep_hours)


def read_token(path: Path) -> str:
    """The secret, read now, so that a changed one is taken up. Raises `TokenError`."""
    try:
        if path.stat().st_mode & 0o077:
            raise TokenError(f"{path}: others may read it: chmod 600 {path}")
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"{path}: {error}: write the token there, mode 0600") from None
    if not secret or not secret.isascii() or any(character.isspace() for character in secret):
        raise TokenError(f"{path}: should hold one token, without blanks")
    return secret
