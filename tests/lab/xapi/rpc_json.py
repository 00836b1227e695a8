"""JSON-RPC 1.0 and 2.0 as xapi's /jsonrpc speaks them (ocaml-rpc's jsonrpc.ml)."""

import json
from datetime import datetime
from typing import Any, NamedTuple

from lab.xapi.database import Row
from lab.xapi.failures import XapiError
from lab.xapi.values import RefSet, format_time

CONTENT_TYPE = "application/json"


class Request(NamedTuple):
    """A parsed call. `version` is 1 or 2."""

    method: str
    params: list[Any]
    version: int
    id: Any


def parse(body: bytes) -> Request:
    """Raises `ValueError` for anything that is not a call."""
    call = json.loads(body)
    if not isinstance(call, dict) or not isinstance(call.get("method"), str):
        raise ValueError("not a call")
    params = call.get("params", [])
    if not isinstance(params, list):
        raise ValueError("named parameters")
    return Request(call["method"], params, 2 if call.get("jsonrpc") == "2.0" else 1, call.get("id"))


def success(request: Request, value: Any) -> list[bytes]:
    """The reply's body in pieces."""
    head = b'{"jsonrpc":"2.0",' if request.version == 2 else b'{"error":null,'
    out = [head, b'"id":', json.dumps(request.id).encode(), b',"result":']
    _encode(value, out)
    out.append(b"}")
    return out


def failure(request: Request, error: XapiError) -> list[bytes]:
    """The reply's body: an error object in version 2, the description alone in version 1."""
    if request.version == 2:
        reply = {
            "jsonrpc": "2.0",
            "error": {"code": 1, "message": error.code, "data": error.parameters},
            "id": request.id,
        }
    else:
        reply = {"result": None, "error": error.description, "id": request.id}
    return [json.dumps(reply).encode()]


def _encode(value: Any, out: list[bytes]) -> None:
    """Pieces of JSON; rows come from their cache."""
    if isinstance(value, Row):
        if value.json is None:
            value.json = json.dumps(plain(value.fields), separators=(",", ":")).encode()
        out.append(value.json)
    elif isinstance(value, dict) and not isinstance(value, RefSet):
        separator = b"{"
        for key, item in value.items():
            out.append(separator + json.dumps(key).encode() + b":")
            _encode(item, out)
            separator = b","
        out.append(b"}" if value else b"{}")
    elif isinstance(value, list):
        separator = b"["
        for item in value:
            out.append(separator)
            _encode(item, out)
            separator = b","
        out.append(b"]" if value else b"[]")
    else:
        out.append(json.dumps(plain(value), separators=(",", ":")).encode())


def plain(value: Any) -> Any:
    """What `json` can write: sets as lists, times as text."""
    if isinstance(value, RefSet):
        return list(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return format_time(value) if isinstance(value, datetime) else value
