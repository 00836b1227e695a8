"""Every error as a kind and a line."""

import http.client
import socket
import ssl
import xmlrpc.client

import pytest
import XenAPI
from chainwatch_collector.inventory.json_stream import BrokenReplyError
from chainwatch_collector.inventory.problems import EMERGENCY_CODES, failure_code, problem_of
from chainwatch_collector.inventory.tls import UntrustedCertificateError


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (XenAPI.Failure(["HOST_IS_SLAVE", "10.0.0.2"]), "slave", "it is a slave"),
        (XenAPI.Failure(["SESSION_AUTHENTICATION_FAILED", "u", "m"]), "login", "login refused"),
        (XenAPI.Failure(["SESSION_AUTHORIZATION_FAILED"]), "login", "login refused"),
        (XenAPI.Failure(["RBAC_PERMISSION_DENIED", "vdi.x", "m"]), "role", "may not read: vdi.x"),
        (XenAPI.Failure(["RBAC_PERMISSION_DENIED"]), "role", "may not read;"),
        (XenAPI.Failure(["SESSION_INVALID", "OpaqueRef:x"]), "session", "the session is gone"),
        (XenAPI.Failure(["HA_HOST_IS_ARMED"]), "booting", "not ready: HA_HOST_IS_ARMED"),
        (XenAPI.Failure(["INTERNAL_ERROR", "x"]), "refused", "XenAPI refused: INTERNAL_ERROR"),
        (XenAPI.Failure([]), "refused", "XenAPI refused"),
        (UntrustedCertificateError("not pinned"), "tls", "not pinned"),
        (ssl.SSLEOFError(), "network", "the connection was closed"),
        (ssl.SSLError(1, "[SSL] odd"), "tls", "TLS failed"),
        (TimeoutError(), "network", "no answer in time"),
        (ConnectionRefusedError(111, "x"), "network", "connection refused"),
        (ConnectionResetError(104, "x"), "network", "the connection was closed"),
        (http.client.RemoteDisconnected("x"), "network", "the connection was closed"),
        (http.client.IncompleteRead(b""), "network", "the connection was closed"),
        (socket.gaierror(-2, "Name or service not known"), "network", "Name or service not known"),
        (xmlrpc.client.ProtocolError("u", 503, "m", {}), "reply", "HTTP status 503"),
        (BrokenReplyError("ended early"), "network", "ended early"),
        (http.client.BadStatusLine("x"), "reply", "no answer of XenAPI: BadStatusLine"),
    ],
)
def test_kinds(error: BaseException, kind: str, words: str) -> None:
    problem = problem_of(error)
    assert problem.kind == kind
    assert words in problem.text
    assert "\n" not in problem.text


@pytest.mark.parametrize("code", sorted(EMERGENCY_CODES))
def test_emergency_mode_is_no_refusal(code: str) -> None:
    assert problem_of(XenAPI.Failure([code])).kind == "booting"


def test_codes() -> None:
    assert failure_code(XenAPI.Failure(["HANDLE_INVALID", "VDI", "r"])) == "HANDLE_INVALID"
    assert failure_code(OSError()) == ""
