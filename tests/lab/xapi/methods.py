"""The messages of the API: what a call does to the pool. Roles and sessions are checked by the dispatcher before."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.xapi import events, schema
from lab.xapi.failures import XapiError, method_unknown, session_invalid
from lab.xapi.query import compile_expression
from lab.xapi.sessions import Session
from lab.xapi.values import now, parse_time

if TYPE_CHECKING:
    from lab.xapi.host_server import HostServer
    from lab.xapi.pool import XapiPool

EVENT_TIMEOUT_MAX_SECONDS = 86_400.0
EVENT_BATCH_SECONDS = 0.05


@dataclass(frozen=True)
class Call:
    """One call on `host` by `session`; `params` without the session."""

    pool: "XapiPool"
    host: "HostServer"
    session: Session
    params: list[Any]


Run = Callable[[Call], Any | Awaitable[Any]]


@dataclass(frozen=True)
class Method:
    """`count`: parameters, the session not counted."""

    run: Run
    count: int


def find(name: str) -> Method:
    """The message, `.` or the first `_` after the class. Raises MESSAGE_METHOD_UNKNOWN."""
    if name in SPECIAL:
        return SPECIAL[name]
    class_name, _, verb = name.partition(".")
    method = _accessor(class_name, verb) if class_name in schema.CLASSES else None
    if method is None:
        raise method_unknown(name)
    return method


def canonical(name: str) -> str:
    """xapi reads `_` for the first `.`: `event_from` is `event.from`."""
    if "." in name:
        return name
    for class_name in (*schema.CLASSES, "event", "message", "system"):
        if name.startswith(class_name + "_"):
            return f"{class_name}.{name[len(class_name) + 1 :]}"
    return name


def _accessor(class_name: str, verb: str) -> Method | None:
    """get_all, get_record, get_FIELD, set_FIELD and the like, of any class."""
    whole: dict[str, Method] = {
        "get_all": Method(lambda c: list(c.pool.database.tables[class_name].rows), 0),
        "get_all_records": Method(lambda c: dict(c.pool.database.tables[class_name].rows), 0),
        "get_all_records_where": Method(lambda c: _where(c, class_name), 1),
        "get_record": Method(lambda c: c.pool.database.row(class_name, c.params[0]), 1),
        "get_by_uuid": Method(lambda c: c.pool.database.by_uuid(class_name, c.params[0]), 1),
        "get_by_name_label": Method(lambda c: _by_name(c, class_name), 1),
    }
    if class_name == "session" and verb.startswith("get_all"):
        return None  # sessions are nobody's to list
    if verb in whole:
        return whole[verb]
    operation, _, field = verb.partition("_")
    for prefix in ("add_to_", "remove_from_"):
        if verb.startswith(prefix):
            operation, field = prefix.rstrip("_"), verb.removeprefix(prefix)
    if field not in schema.CLASSES[class_name]:
        return None
    return _field_method(class_name, operation, field)


def _field_method(class_name: str, operation: str, field: str) -> Method | None:
    def get(call: Call) -> Any:
        return call.pool.database.get(class_name, call.params[0])[field]

    def put(call: Call) -> str:
        call.pool.database.set(class_name, call.params[0], **{field: call.params[1]})
        return ""

    def add(call: Call) -> str:
        call.pool.database.add_to(class_name, call.params[0], field, call.params[1], call.params[2])
        return ""

    def remove(call: Call) -> str:
        call.pool.database.remove_from(class_name, call.params[0], field, call.params[1])
        return ""

    known = {"get": Method(get, 1), "set": Method(put, 2), "add_to": Method(add, 3), "remove_from": Method(remove, 2)}
    return known.get(operation)


def _where(call: Call, class_name: str) -> dict[str, Any]:
    predicate = compile_expression(call.params[0])
    return {ref: row for ref, row in call.pool.database.tables[class_name].rows.items() if predicate(row.fields)}


def _by_name(call: Call, class_name: str) -> list[str]:
    rows = call.pool.database.tables[class_name].rows
    return [ref for ref, row in rows.items() if row.fields.get("name_label") == call.params[0]]


async def _event_from(call: Call) -> dict[str, Any]:
    """Blocks until something matches or the time is over; a logout wakes it."""
    classes, token, timeout = call.params
    subscription = events.Subscription.parse(classes)
    since = events.Token.parse(token)
    seconds = float(timeout)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (seconds if 0 <= seconds <= EVENT_TIMEOUT_MAX_SECONDS else EVENT_TIMEOUT_MAX_SECONDS)
    pool = call.pool
    while True:
        if not subscription.only_tasks:
            await asyncio.sleep(EVENT_BATCH_SECONDS)
        woken = pool.changed.next()
        if call.session.ref not in pool.sessions.open:
            raise session_invalid(call.session.ref)
        batch = events.collect(pool.database, pool.messages, subscription, since)
        left = deadline - loop.time()
        if batch.events or left <= 0:
            return batch.reply(pool.database)
        await asyncio.wait({woken}, timeout=left)


def _event_inject(call: Call) -> str:
    class_name = next((name for name in schema.CLASSES if name.lower() == call.params[0].lower()), None)
    if class_name is None:
        raise XapiError("HANDLE_INVALID", *call.params)
    return str(events.Token(call.pool.database.touch(class_name, call.params[1]), 0))


async def _sr_scan(call: Call) -> str:
    """Sizes are taken anew; the SR changes twice, for the operation's beginning and end."""
    await call.pool.scan(call.params[0])
    return ""


def _task_create(call: Call) -> str:
    label, description = call.params
    return call.pool.database.create(
        "task",
        name_label=label,
        name_description=description,
        created=now(),
        session=call.session.ref,
        resident_on=call.pool.coordinator_ref,
    )


def _task_cancel(call: Call) -> str:
    call.pool.database.set("task", call.params[0], status="cancelled", finished=now())
    return ""


def _task_destroy(call: Call) -> str:
    call.pool.database.destroy("task", call.params[0])
    return ""


def _logout(call: Call) -> str:
    call.pool.sessions.drop(call.session.ref)
    return ""


def _message_create(call: Call) -> str:
    name, priority, class_name, uuid, body = call.params
    return call.pool.messages.create(name, int(priority), class_name, uuid, body)


def _message_destroy(call: Call) -> str:
    call.pool.messages.destroy(call.params[0])
    return ""


def _message_where(call: Call) -> dict[str, Any]:
    predicate = compile_expression(call.params[0])
    return {ref: row for ref, row in call.pool.messages.rows.items() if predicate(row.fields)}


def _messages_of(call: Call) -> dict[str, Any]:
    class_name, uuid, since = call.params
    return call.pool.messages.of(class_name, uuid, parse_time(since))


def _permissions(call: Call) -> list[str]:
    return [] if call.session.user.name == "root" else [call.session.user.role]


SPECIAL: dict[str, Method] = {
    "session.logout": Method(_logout, 0),
    "session.get_rbac_permissions": Method(lambda c: _permissions(c), 1),
    "event.from": Method(_event_from, 3),
    "event.inject": Method(_event_inject, 2),
    "message.get_all": Method(lambda c: list(c.pool.messages.rows), 0),
    "message.get_all_records": Method(lambda c: dict(c.pool.messages.rows), 0),
    "message.get_all_records_where": Method(_message_where, 1),
    "message.get_since": Method(lambda c: c.pool.messages.since(parse_time(c.params[0])), 1),
    "message.get": Method(_messages_of, 3),
    "message.get_record": Method(lambda c: c.pool.messages.row(c.params[0]), 1),
    "message.get_by_uuid": Method(lambda c: c.pool.messages.by_uuid(c.params[0]), 1),
    "message.create": Method(_message_create, 5),
    "message.destroy": Method(_message_destroy, 1),
    "SR.scan": Method(_sr_scan, 1),
    "task.create": Method(_task_create, 2),
    "task.cancel": Method(_task_cancel, 1),
    "task.destroy": Method(_task_destroy, 1),
    "host.get_servertime": Method(lambda c: now(), 1),
    "host.get_server_certificate": Method(lambda c: c.pool.server_of(c.params[0]).certificate.pem, 1),
}


def list_methods() -> list[str]:
    """What `system.listMethods` says."""
    verbs = ("get_all", "get_all_records", "get_all_records_where", "get_record", "get_by_uuid")
    generic = [f"{name}.{verb}" for name in schema.CLASSES for verb in verbs if name != "session"]
    getters = [f"{name}.get_{field}" for name, fields in schema.CLASSES.items() for field in fields]
    login = ["session.login_with_password", "host.is_in_emergency_mode", "system.listMethods"]
    return sorted({*SPECIAL, *generic, *getters, *login})
