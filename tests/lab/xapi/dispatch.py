"""A call's way through xapi: coordinator or not, emergency, arity, session, role, then the message itself."""

import asyncio
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.xapi import methods, roles
from lab.xapi.calls import CallRecord
from lab.xapi.failures import XapiError, count_mismatch, permission_denied
from lab.xapi.host_server import HostServer

if TYPE_CHECKING:
    from lab.xapi.pool import XapiPool

_LOCAL = frozenset({"host.is_in_emergency_mode"})
"""What a slave or a host in emergency mode answers itself."""
_LOGIN = "session.login_with_password"
_NULL_SESSION = ""


async def dispatch(pool: "XapiPool", host: HostServer, name: str, params: Sequence[Any]) -> Any:
    """The value. Raises `XapiError`."""
    method = methods.canonical(name)
    pool.record(CallRecord(host.ref, method, str(params[0]) if params else _NULL_SESSION))
    await asyncio.sleep(host.faults.delay(method))
    description = host.faults.failure(method) or host.faults.emergency
    if description and method not in _LOCAL:
        raise XapiError(*description)
    if method == "host.is_in_emergency_mode":
        return bool(host.faults.emergency)
    if host.ref != pool.coordinator_ref and method not in _LOCAL:
        raise XapiError("HOST_IS_SLAVE", pool.coordinator.address)
    if method == "system.listMethods":
        return methods.list_methods()
    if method == _LOGIN:
        return await _login(pool, host, params)
    return await _run(pool, host, method, list(params))


async def _login(pool: "XapiPool", host: HostServer, params: Sequence[Any]) -> str:
    """user, password, and perhaps version and originator; a wrong password takes its time."""
    if not 2 <= len(params) <= 4:
        raise count_mismatch(_LOGIN, 4, len(params))
    name, password, *rest = [str(parameter) for parameter in params]
    try:
        user = pool.sessions.authenticate(name, password)
    except XapiError:
        await asyncio.sleep(pool.sessions.bad_password_seconds)
        raise
    return pool.sessions.login(user, rest[1] if len(rest) == 2 else "", host.ref).ref


async def _run(pool: "XapiPool", host: HostServer, name: str, params: list[Any]) -> Any:
    method = methods.find(name)
    if len(params) != method.count + 1:
        raise count_mismatch(name, method.count + 1, len(params))
    session = pool.sessions.find(str(params[0]))
    if name in host.faults.denied or not roles.allows(session.user.role, name):
        raise permission_denied(name)
    try:
        result = method.run(methods.Call(pool, host, session, params[1:]))
        return await result if inspect.isawaitable(result) else result
    except (TypeError, ValueError, AttributeError) as error:  # parameters of another type than the message wants
        raise XapiError("INTERNAL_ERROR", f"{type(error).__name__}({error})") from None
