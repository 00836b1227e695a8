"""The collector's HTTPS port, for enrolment and renewal: one JSON request, one JSON answer, and who it is known by."""

import hashlib
import http.client
import json
import re
import socket
import ssl
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

_SECONDS = 30.0
_MAX_ANSWER = 1024 * 1024
_API = "/api/v1"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


class WebError(Exception):
    """The collector cannot be reached, is not the one it should be, or refused. One line: what, and what to do."""


class Address(NamedTuple):
    """`[::1]:8443` is ("::1", 8443)."""

    host: str
    port: int

    def __str__(self) -> str:
        return "{}:{}".format("[" + self.host + "]" if ":" in self.host else self.host, self.port)


def parse_address(text: str) -> Address:
    """Raises `WebError`."""
    host, _, port = text.strip().rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise WebError("{!r} is no address: write HOST:8443".format(text[:100]))
    return Address(host.strip("[]"), int(port))


class Trust(NamedTuple):
    """How the web port proves itself: by a CA of `ca_pem`, as `public` by the host's own list of CAs too, or by being
    the very certificate with this `leaf_sha256`."""

    ca_pem: str
    public: bool = False
    leaf_sha256: str = ""


class Web:
    """Requests to one collector. Raises `WebError`."""

    def __init__(self, address: Address, trust: "Optional[Trust]") -> None:
        """`trust` None: nobody is verified; only for what is public and proved otherwise."""
        self._address = address
        self._trust = trust

    def get(self, path: str) -> str:
        """A text."""
        return self._ask("GET", path, None)

    def get_json(self, path: str) -> "Dict[str, Any]":
        """An object."""
        return _object(self._ask("GET", path, None))

    def post(self, path: str, content: "Dict[str, str]") -> "Dict[str, Any]":
        """An object for an object."""
        return _object(self._ask("POST", path, json.dumps(content).encode("ascii")))

    def _ask(self, method: str, path: str, body: "Optional[bytes]") -> str:
        headers = {"Content-Type": "application/json", "User-Agent": "chainwatch-agent", "Connection": "close"}
        connection = http.client.HTTPSConnection(
            self._address.host, self._address.port, timeout=_SECONDS, context=_context(self._trust)
        )
        try:
            connection.connect()
            self._check_leaf(connection.sock)
            connection.request(method, _API + path, body=body, headers=headers)
            answer = connection.getresponse()
            data = answer.read(_MAX_ANSWER)
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise WebError(_tls_text(self._address, str(error))) from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise WebError("{} cannot be reached: {}: is the port open?".format(self._address, why)) from None
        finally:
            connection.close()
        text = data.decode("utf-8", "replace")
        if answer.status >= 400:
            raise WebError("the collector refused: {}".format(_reason(answer.status, text)))
        return text

    def _check_leaf(self, connected: "Optional[socket.socket]") -> None:
        if self._trust is None or not self._trust.leaf_sha256:
            return
        assert isinstance(connected, ssl.SSLSocket)
        if hashlib.sha256(connected.getpeercert(True) or b"").hexdigest() != self._trust.leaf_sha256:
            raise WebError("{} is not the collector that made the token: its certificate differs".format(self._address))


def leaf_sha256(address: Address) -> str:
    """SHA-256 of the certificate that the web port shows, whoever it is. Raises `WebError`."""
    try:
        with socket.create_connection((address.host, address.port), timeout=_SECONDS) as plain:
            with _context(None).wrap_socket(plain, server_hostname=address.host) as connected:
                return hashlib.sha256(connected.getpeercert(True) or b"").hexdigest()
    except OSError as error:
        raise WebError("{} cannot be reached: {}".format(address, error.strerror or error)) from None


def certificates_of(pem: str) -> "List[Tuple[str, str]]":
    """(PEM, SHA-256 of its DER form) of every certificate in a text; what is none is left out."""
    found = []
    for one in _PEM.findall(pem):
        try:
            found.append((one, hashlib.sha256(ssl.PEM_cert_to_DER_cert(one.strip())).hexdigest()))
        except ValueError:
            continue
    return found


def _context(trust: "Optional[Trust]") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trust is None or trust.leaf_sha256:
        # Who it is, is checked by what it says: against a token's fingerprint.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.load_verify_locations(cadata=trust.ca_pem)
    if trust.public:
        context.load_default_certs()
    return context


def _object(text: str) -> "Dict[str, Any]":
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise WebError("that does not answer like a chainwatch collector: is it its web port (8443)?")
    return found


def _reason(status: int, text: str) -> str:
    try:
        error = json.loads(text)["error"]
        hint = " ({})".format(error["hint"]) if error.get("hint") else ""
        return "{}{}".format(error["message"], hint)[:1000]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "HTTP status {}; is it the web port of a chainwatch collector (8443)?".format(status)


def _tls_text(address: Address, said: str) -> str:
    if "match" in said or "Hostname" in said or "IP address" in said:
        return (
            "{}: the collector's certificate is not for this name: use another, or add it to [trust] names in its"
            " collector.toml: {}".format(address, said)
        )
    if "VERIFY" in said.upper():
        return "{} is not the collector that we trust: its certificate is of another CA".format(address)
    return "{}: no TLS with it: {}; is it the web port (8443)?".format(address, said)
