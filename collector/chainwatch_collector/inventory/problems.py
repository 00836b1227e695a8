"""What can be wrong with a pool: every error of TLS, HTTP and XenAPI as one of a few kinds, in a line for people."""

import http.client
import ssl
import xmlrpc.client
from typing import Final, Literal, NamedTuple

import XenAPI

from chainwatch_collector.inventory.json_stream import BrokenReplyError
from chainwatch_collector.inventory.tls import UntrustedCertificateError

Kind = Literal["network", "tls", "reply", "slave", "booting", "login", "role", "session", "other pool", "refused"]

EMERGENCY_CODES: Final = frozenset(
    ("HOST_STILL_BOOTING", "HOST_HAS_NO_MANAGEMENT_IP", "HOST_ITS_OWN_SLAVE", "HOST_MASTER_CANNOT_TALK_BACK")
) | {"HOST_UNKNOWN_TO_MASTER", "HOST_BROKEN", "HOST_IN_EMERGENCY_MODE", "TOO_MANY_PENDING_TASKS"}
"""What every call gets while a host boots or has lost its pool (emergency mode)."""
_KINDS: Final[dict[str, Kind]] = {
    "HOST_IS_SLAVE": "slave",
    "SESSION_INVALID": "session",
    "SESSION_AUTHENTICATION_FAILED": "login",
    "SESSION_AUTHORIZATION_FAILED": "login",
    "RBAC_PERMISSION_DENIED": "role",
}


class Problem(NamedTuple):
    """`text`: a line without secrets. `master`: where HOST_IS_SLAVE sends us."""

    kind: Kind
    text: str
    master: str = ""


TRANSPORT_ERRORS: Final = (
    OSError,
    http.client.HTTPException,
    xmlrpc.client.Error,
    UntrustedCertificateError,
    BrokenReplyError,
)
"""What a session raises beside `XenAPI.Failure`."""


def problem_of(error: BaseException) -> Problem:
    """The kind and the words of an error that a session raised."""
    if isinstance(error, XenAPI.Failure):
        return of_failure([str(part) for part in error.details])
    if isinstance(error, ssl.SSLCertVerificationError):
        return Problem("tls", f"the certificate is not trusted: {error.verify_message}")
    if isinstance(error, UntrustedCertificateError):
        return Problem("tls", str(error))
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Problem("network", "the connection was closed")
    if isinstance(error, ssl.SSLError):
        return Problem("tls", f"TLS failed: {getattr(error, 'reason', None) or error}")
    if isinstance(error, TimeoutError):
        return Problem("network", "no answer in time")
    if isinstance(error, ConnectionRefusedError):
        return Problem("network", "connection refused")
    if isinstance(error, ConnectionError | http.client.RemoteDisconnected | http.client.IncompleteRead):
        return Problem("network", "the connection was closed")
    if isinstance(error, OSError):
        return Problem("network", error.strerror or str(error))
    if isinstance(error, xmlrpc.client.ProtocolError):
        return Problem("reply", f"HTTP status {error.errcode}")
    if isinstance(error, BrokenReplyError):
        return Problem("network", str(error))
    return Problem("reply", f"no answer of XenAPI: {type(error).__name__}")


def of_failure(details: list[str]) -> Problem:
    """The kind of an ErrorDescription."""
    code = details[0] if details else "INTERNAL_ERROR"
    kind = _KINDS.get(code)
    if kind == "slave":
        return Problem(kind, "it is a slave", details[1] if len(details) > 1 else "")
    if kind == "login":
        return Problem(kind, f"login refused: {code}")
    if kind == "role":
        permission = f": {details[1]}" if len(details) > 1 else ""
        return Problem(kind, f"the user may not read{permission}; it needs the role read-only")
    if kind == "session":
        return Problem(kind, "the session is gone")
    if code in EMERGENCY_CODES or code.startswith("HA_"):
        return Problem("booting", f"the host is not ready: {code}")
    return Problem("refused", f"XenAPI refused: {code}")


def failure_code(error: BaseException) -> str:
    """The XenAPI code, empty for an error of another kind."""
    return str(error.details[0]) if isinstance(error, XenAPI.Failure) and error.details else ""
