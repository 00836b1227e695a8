"""XenAPI messages, polled: with `message` in `event.from` xapi would read up to 10,000 files under its database lock.

`message.get_since` tells what came, not what went. SM destroys SM_GC_NO_SPACE when there is room again (cleanup.py),
so messages of that name are asked for one by one.
"""

import xmlrpc.client
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chainwatch_collector.inventory.fields import Fields
from chainwatch_collector.inventory.records import Message, Ref
from chainwatch_collector.inventory.slim import slim_message

FIRST_READ: Final = timedelta(days=7)
OVERLAP: Final = timedelta(seconds=2)
"""Times of messages are whole seconds; what came in the same one as the newest is read again."""
MOST_KEPT: Final = 2000
WITHDRAWN: Final = frozenset({"SM_GC_NO_SPACE"})
"""Messages that mean "still so" for as long as they exist."""


class MessageLog:
    """The newest messages of a pool, oldest first. Pure."""

    def __init__(self, kept: tuple[Message, ...] = ()) -> None:
        self._messages = {message.uuid: message for message in kept}
        self._shown: tuple[Message, ...] | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """By time."""
        if self._shown is None:
            newest = sorted(self._messages.values(), key=lambda message: (message.at, message.uuid))[-MOST_KEPT:]
            self._messages = {message.uuid: message for message in newest}
            self._shown = tuple(newest)
        return self._shown

    def since(self, now: datetime) -> xmlrpc.client.DateTime:
        """What to ask `message.get_since` for; `now` counts only where nothing was read before."""
        shown = self.messages
        at = shown[-1].at - OVERLAP if shown else now - FIRST_READ
        return xmlrpc.client.DateTime(at.astimezone(UTC).strftime("%Y%m%dT%H:%M:%SZ"))

    def add(self, records: Mapping[Ref, Mapping[str, Any]]) -> None:
        """What `message.get_since` returned."""
        for ref, record in records.items():
            message = slim_message(Fields("message", ref, record))
            if self._messages.get(message.uuid) != message:
                self._messages[message.uuid] = message
                self._shown = None

    def standing(self) -> list[str]:
        """Uuids of messages that may have been withdrawn."""
        return [message.uuid for message in self.messages if message.name in WITHDRAWN]

    def withdraw(self, uuid: str) -> None:
        """It exists no more."""
        if self._messages.pop(uuid, None) is not None:
            self._shown = None
