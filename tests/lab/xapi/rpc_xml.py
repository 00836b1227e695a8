"""XML-RPC as xapi speaks it (ocaml-rpc's xmlrpc.ml): integers and strings are both untyped values."""

import functools
import re
import xmlrpc.client
from datetime import datetime
from typing import Any, NamedTuple
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

from lab.xapi.database import Row
from lab.xapi.failures import XapiError
from lab.xapi.values import Int32, RefSet, format_time

CONTENT_TYPE = "text/xml"
_HEAD = b'<?xml version="1.0"?><methodResponse><params><param>'
_TAIL = b"</param></params></methodResponse>"
_SPECIAL = re.compile("[&<>\"']")
_QUOTES = {'"': "&quot;", "'": "&apos;"}


class Request(NamedTuple):
    """A parsed call."""

    method: str
    params: list[Any]


def parse(body: bytes) -> Request:
    """Raises `ValueError` for anything that is not a call."""
    try:
        params, method = xmlrpc.client.loads(body)
    except (ExpatError, xmlrpc.client.Error, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None
    if not method:
        raise ValueError("no methodName")
    return Request(method, [_native(value) for value in params])


def success(value: Any) -> list[bytes]:
    """The reply's body in pieces."""
    out = [
        _HEAD,
        b"<value><struct><member><name>Status</name><value>Success</value></member><member><name>Value</name>",
    ]
    _encode(value, out)
    out += [b"</member></struct></value>", _TAIL]
    return out


def failure(error: XapiError) -> list[bytes]:
    """The reply's body."""
    out = [_HEAD]
    _encode({"Status": "Failure", "ErrorDescription": error.description}, out)
    out.append(_TAIL)
    return out


def _native(value: Any) -> Any:
    return value.value if isinstance(value, xmlrpc.client.DateTime) else value


def _encode(value: Any, out: list[bytes]) -> None:
    """Pieces of XML; rows come from their cache."""
    if isinstance(value, Row):
        if value.xml is None:
            value.xml = _text(value.fields).encode()
        out.append(value.xml)
    elif isinstance(value, dict) and not isinstance(value, RefSet):
        out.append(b"<value><struct>")
        for key, item in value.items():
            out.append(_member(key).encode())
            _encode(item, out)
            out.append(b"</member>")
        out.append(b"</struct></value>")
    elif isinstance(value, list):
        out.append(b"<value><array><data>")
        for item in value:
            _encode(item, out)
        out.append(b"</data></array></value>")
    else:
        out.append(_text(value).encode())


def _text(value: Any) -> str:
    """XML of a value without rows in it."""
    if isinstance(value, str):
        return f"<value>{_escape(value)}</value>"
    if isinstance(value, list | RefSet):
        return f"<value><array><data>{''.join(map(_text, value))}</data></array></value>"
    if isinstance(value, dict):
        members = "".join(f"{_member(key)}{_text(item)}</member>" for key, item in value.items())
        return f"<value><struct>{members}</struct></value>"
    return f"<value>{_scalar(value)}</value>"


@functools.lru_cache(maxsize=4096)
def _member(name: str) -> str:
    return f"<member><name>{_escape(name)}</name>"


def _escape(text: str) -> str:
    return escape(text, _QUOTES) if _SPECIAL.search(text) else text


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return f"<boolean>{int(value)}</boolean>"
    if isinstance(value, Int32):
        return f"<i4>{int(value)}</i4>"
    if isinstance(value, float):
        return f"<double>{value:.16g}</double>"
    if isinstance(value, datetime):
        return f"<dateTime.iso8601>{format_time(value)}</dateTime.iso8601>"
    return str(value)
