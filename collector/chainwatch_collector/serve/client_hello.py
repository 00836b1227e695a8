"""What a client offers to speak, read off the first bytes of its connection: gRPC, or HTTP as browsers speak it. Pure.

A TLS ClientHello is in the clear (RFC 8446 4.1.2) and names the protocols in its ALPN extension (RFC 7301).
"""

from typing import Final, Literal

Speaks = Literal["grpc", "http"]

MOST_BYTES: Final = 16_384
_PREFACE: Final = b"PRI * HTTP/2.0"
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_ALPN: Final = 16
# Version and random of a ClientHello.
_FIXED: Final = 34


class IncompleteError(Exception):
    """More bytes are needed to tell."""


def speaks(data: bytes) -> Speaks:
    """`grpc` for a client that offers HTTP/2 and no HTTP/1.1; everybody else is a browser's kind. Raises
    `IncompleteError`.
    """
    if not data or (len(data) < len(_PREFACE) and _PREFACE.startswith(data)):
        raise IncompleteError
    if data[0] != _HANDSHAKE:
        return "grpc" if data.startswith(_PREFACE) else "http"
    offered = alpn(_hello(data))
    return "grpc" if b"h2" in offered and b"http/1.1" not in offered else "http"


def _hello(data: bytes) -> bytes:
    """The handshake message, put together from its records."""
    message = b""
    at = 0
    while at + 5 <= len(data):
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if data[at] != _HANDSHAKE:
            break
        message += data[at + 5 : at + 5 + length]
        at += 5 + length
        if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            return message
    if len(data) >= MOST_BYTES:
        return b""
    raise IncompleteError


def alpn(message: bytes) -> tuple[bytes, ...]:
    """The protocols of a ClientHello; none where it is no ClientHello or has no such extension."""
    if not message or message[0] != _CLIENT_HELLO:
        return ()
    at = 4 + _FIXED
    at += 1 + int.from_bytes(message[at : at + 1], "big")
    at += 2 + int.from_bytes(message[at : at + 2], "big")
    at += 1 + int.from_bytes(message[at : at + 1], "big")
    at += 2
    while at + 4 <= len(message):
        kind, length = int.from_bytes(message[at : at + 2], "big"), int.from_bytes(message[at + 2 : at + 4], "big")
        if kind == _ALPN:
            return _names(message[at + 6 : at + 4 + length])
        at += 4 + length
    return ()


def _names(data: bytes) -> tuple[bytes, ...]:
    names = []
    while data:
        names.append(data[1 : 1 + data[0]])
        data = data[1 + data[0] :]
    return tuple(names)
