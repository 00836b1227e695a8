"""`chainwatch-agent enroll`: a token for a certificate. The key is made here and never leaves this host.

The token carries the SHA-256 of a certificate by which the collector is known: of the CA that made its web port's, or
of that one itself. The token's secret is sent only to who proves to be it.
"""

import os
import re
import sys
from typing import Any, BinaryIO, Dict, NamedTuple

from chainwatch_agent import openssl
from chainwatch_agent.collector_web import Address, Trust, Web, WebError, certificates_of, leaf_sha256, parse_address
from chainwatch_agent.config import Settings
from chainwatch_agent.host_facts import read_host_facts
from chainwatch_agent.tls_files import TlsPaths, make_directories, tls_paths, with_addresses, write_whole

_TOKEN = re.compile(r"cw1\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})\Z")
_MAX_TOKEN = 4096


class EnrollError(Exception):
    """Enrolment cannot go on; one line with what to do."""


class Token(NamedTuple):
    """`text` as it was made; `fingerprint` names the certificate by which the collector is known."""

    text: str
    fingerprint: str


def enroll(config_path: str, settings: Settings, collector: str, token_file: str, out: BinaryIO) -> int:
    """Get a certificate, write it and its CA, name the collector in agent.conf where it names none.

    Raises `EnrollError`, `WebError`, `OpensslError`, `TlsFileError`, `OSError`.
    """
    token, address = read_token(token_file), parse_address(collector)
    host_uuid = read_host_facts(settings.root).host_uuid
    if not host_uuid:
        raise EnrollError("/etc/xensource-inventory names no INSTALLATION_UUID: run this in dom0")
    paths = tls_paths(settings)
    make_directories(paths)
    trust = known_by(address, token.fingerprint)
    try:
        answer = _certificate(paths, Web(address, trust), token, host_uuid)
    except (WebError, openssl.OpensslError):
        # A refused key is good for nothing.
        os.unlink(paths.key + ".new")
        raise
    # The certificate last: the unit starts when it is there, and then all the others are.
    os.rename(paths.key + ".new", paths.key)
    write_whole(paths.ca, str(answer["ca"]), 0o644)
    write_whole(paths.web, "{} {}\n".format(address, "public" if trust.leaf_sha256 else "own"))
    os.rename(paths.certificate + ".new", paths.certificate)
    _name_collector(config_path, settings, address, answer.get("ingest_port"))
    told = "host {} is enrolled until {}\nnext: chainwatch-agent check, then systemctl start chainwatch-agent\n"
    out.write(told.format(host_uuid, answer["expires_at"]).encode("utf-8", "replace"))
    return 0


def read_token(path: str) -> Token:
    """From a file, or from stdin for `-`. Raises `EnrollError`."""
    try:
        if path == "-":
            text = sys.stdin.read(_MAX_TOKEN)
        else:
            with open(path, "r", encoding="ascii", errors="replace") as stream:
                text = stream.read(_MAX_TOKEN)
    except OSError as error:
        raise EnrollError("{}: {}: name the file with the token, or - for stdin".format(path, error.strerror)) from None
    words = text.split()
    found = _TOKEN.match(words[-1]) if words else None
    if found is None:
        where = "stdin" if path == "-" else path
        raise EnrollError("{}: holds no enrolment token: chainwatch agent enroll --host UUID makes one".format(where))
    return Token(words[-1], found.group(2))


def known_by(address: Address, fingerprint: str) -> Trust:
    """How to verify who has this fingerprint. Raises `WebError` where nobody there has it."""
    if leaf_sha256(address) == fingerprint:
        return Trust("", leaf_sha256=fingerprint)
    for pem, sha256 in certificates_of(Web(address, None).get("/enroll/ca")):
        if sha256 == fingerprint:
            return Trust(pem)
    raise WebError("{} is not the collector that made this token: it has another CA".format(address))


def _certificate(paths: TlsPaths, web: Web, token: Token, host_uuid: str) -> "Dict[str, Any]":
    """Key and certificate beside the ones in use; the collector's answer."""
    openssl.make_key(paths.key + ".new")
    request = openssl.make_request(paths.key + ".new", host_uuid)
    answer = web.post("/enroll", {"token": token.text, "host_uuid": host_uuid, "request": request})
    if not certificates_of(str(answer.get("certificate"))) or not certificates_of(str(answer.get("ca"))):
        raise WebError("the collector's answer has no certificate: is it of this agent's version?")
    write_whole(paths.certificate + ".new", str(answer["certificate"]), 0o644)
    if not openssl.is_pair(paths.certificate + ".new", paths.key + ".new"):
        raise WebError("the collector's answer has a certificate of another key")
    return answer


def _name_collector(config_path: str, settings: Settings, address: Address, port: object) -> None:
    if settings.addresses or not isinstance(port, int) or isinstance(port, bool):
        return
    try:
        with open(config_path, "r", encoding="utf-8") as stream:
            text = stream.read()
    except OSError:
        text = ""
    os.makedirs(os.path.dirname(config_path) or ".", 0o755, exist_ok=True)
    write_whole(config_path, with_addresses(text, str(Address(address.host, port))), 0o640)
