"""`event.from`: what changed since a token, one event per object, with the record as it is now (xapi_event.ml)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab.xapi.database import Database, Deletion, Row
from lab.xapi.failures import XapiError
from lab.xapi.messages import Messages
from lab.xapi.values import Int32

_TOKEN = re.compile(r"(\d{1,20}),(\d{1,20})", re.ASCII)


class Token(NamedTuple):
    """How far a client has seen the database and the messages, in generations."""

    database: int
    messages: int

    @classmethod
    def parse(cls, text: str) -> "Token":
        """Empty is the beginning. Raises EVENT_FROM_TOKEN_PARSE_FAILURE."""
        if not text:
            return cls(0, 0)
        match = _TOKEN.fullmatch(text)
        if match is None:
            raise XapiError("EVENT_FROM_TOKEN_PARSE_FAILURE", text)
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.database:020d},{self.messages:020d}"


@dataclass(frozen=True)
class Subscription:
    """Classes in lower case, `*` for all, and single objects as (class, reference)."""

    classes: frozenset[str]
    objects: frozenset[tuple[str, str]]

    @classmethod
    def parse(cls, names: Iterable[Any]) -> "Subscription":
        """Raises EVENT_SUBSCRIPTION_PARSE_FAILURE. A class that does not exist never matches."""
        classes, objects = set(), set()
        for name in names:
            parts = name.split("/") if isinstance(name, str) else ()
            if len(parts) == 1 and parts[0]:
                classes.add(parts[0].lower())
            elif len(parts) == 2:
                objects.add((parts[0].lower(), parts[1]))
            else:
                raise XapiError("EVENT_SUBSCRIPTION_PARSE_FAILURE", str(name))
        return cls(frozenset(classes), frozenset(objects))

    def wants_table(self, class_name: str) -> bool:
        return bool(self.classes & {"*", class_name}) or any(name == class_name for name, _ in self.objects)

    def wants(self, class_name: str, ref: str) -> bool:
        return bool(self.classes & {"*", class_name}) or (class_name, ref) in self.objects

    @property
    def only_tasks(self) -> bool:
        """Such a subscription is not held back for a batch."""
        return {*self.classes, *(name for name, _ in self.objects)} == {"task"}


@dataclass(frozen=True)
class Batch:
    """An answer: the events, and the token that continues after them."""

    events: list[dict[str, Any]]
    token: Token

    def reply(self, database: Database) -> dict[str, Any]:
        """What event.from returns, with the row count of every table, subscribed or not; messages are no table."""
        counts = {name.lower(): Int32(len(table.rows)) for name, table in database.tables.items()}
        return {"events": self.events, "valid_ref_counts": counts, "token": str(self.token)}


def collect(database: Database, messages: Messages, subscription: Subscription, since: Token) -> Batch:
    """What changed after `since`. The new token is the present; its message part only moves if messages are wanted."""
    events: list[dict[str, Any]] = []
    for name, table in database.tables.items():
        lower = name.lower()
        if subscription.wants_table(lower):
            events += _events(lower, table.changed_since(since.database), table.deletions, since.database, subscription)
    if subscription.wants_table("message"):
        fresh = (row for row in reversed(messages.rows.values()) if row.created > since.messages)
        events += _events("message", fresh, messages.deletions, since.messages, subscription)
        return Batch(events, Token(database.generation, database.generation))
    return Batch(events, Token(database.generation, since.messages))


def _events(
    class_name: str, changed: Iterable[Row], deletions: list[Deletion], since: int, subscription: Subscription
) -> Iterator[dict[str, Any]]:
    for row in changed:
        if subscription.wants(class_name, row.ref):
            operation = "add" if row.created > since else "mod"
            yield {**_event(class_name, operation, row.ref, row.modified), "snapshot": row}
    for gone in reversed(deletions):
        if gone.deleted <= since:
            break
        if gone.created <= since and subscription.wants(class_name, gone.ref):
            yield _event(class_name, "del", gone.ref, gone.deleted)


def _event(class_name: str, operation: str, ref: str, generation: int) -> dict[str, Any]:
    return {"id": str(generation), "timestamp": "0.0", "class": class_name, "operation": operation, "ref": ref}
