"""XML-RPC as xapi speaks it (ocaml-rpc's xmlrpc.ml): integers and strings are both untyped values."""

import xmlrpc.client
from collections.abc import Iterable
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
            pieces: list[bytes] = []
            _encode(value.fields, pieces)
            value.xml = b"".join(pieces)
        out.append(value.xml)
    elif isinstance(value, list | RefSet):
        _array(value, out)
    elif isinstance(value, dict):
        out.append(b"<value><struct>")
        for key, item in value.items():
            out.append(f"<member><name>{escape(key, _QUOTES)}</name>".encode())
            _encode(item, out)
            out.append(b"</member>")
        out.append(b"</struct></value>")
    else:
        out.append(f"<value>{_scalar(value)}</value>".encode())


def _array(values: Iterable[Any], out: list[bytes]) -> None:
    out.append(b"<value><array><data>")
    for item in values:
        _encode(item, out)
    out.append(b"</data></array></value>")


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return f"<boolean>{int(value)}</boolean>"
    if isinstance(value, Int32):
        return f"<i4>{int(value)}</i4>"
    if isinstance(value, float):
        return f"<double>{value:.16g}</double>"
    if isinstance(value, datetime):
        return f"<dateTime.iso8601>{format_time(value)}</dateTime.iso8601>"
    return escape(str(value), _QUOTES)
